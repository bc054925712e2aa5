"""Differential privacy: questions with a price, noise, the ledger, the answer."""
