"""
Risk flags: define, train, evaluate, explain, describe, export.

Runs in the analyst's kernel, and again in the coordinating body's room when a candidate is checked. The
compiled integer model is the model: whatever is measured is measured on it, never on the estimator.
"""
