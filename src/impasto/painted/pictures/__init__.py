"""One file, one picture: its function `paint`, its palette and its motif."""
