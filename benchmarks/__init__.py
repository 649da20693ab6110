"""What is measured, how, and against what. `make bench` runs it all; results are kept as JSON."""
