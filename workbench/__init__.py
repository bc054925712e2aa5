"""The controlled workbench for the analysis entity; importing it loads nothing heavy."""

__version__ = "0.1.0"
