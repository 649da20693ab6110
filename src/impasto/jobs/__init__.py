"""Jobs are carried out here: sources are opened, a method is built and run."""
