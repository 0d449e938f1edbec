"""What `run` does before any package is installed: the standard library is all it has."""
