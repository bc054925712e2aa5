"""Synthetic data: synthesisers, how faithful they are, what they disclose."""
