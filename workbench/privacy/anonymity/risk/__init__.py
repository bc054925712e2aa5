"""
Disclosure risk: who could be found in a table, by whom, and how surely.

Each module answers one question. What cannot be told is `NotAvailable` with its reason, never zero: a
failed estimate that reads as no risk is the one mistake that matters here.
"""
