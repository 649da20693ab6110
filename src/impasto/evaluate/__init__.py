"""Judging results: distances, and a result beside its trivial answers."""
