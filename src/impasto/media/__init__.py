"""The gates: the only files that open and write pictures."""
