"""Proof by attack that what is released costs no more than it says: for tests, and for whoever is asked to sign."""
