"""The three protections: anonymised tables, differentially private answers, synthetic tables."""
