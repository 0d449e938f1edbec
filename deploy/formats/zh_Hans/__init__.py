"""English as we write it."""
