"""The kinds of question: one module for each, with the proof of what one household can change."""
