"""Anonymised tables: equivalence classes, what they disclose, and the search for the least generalisation."""
