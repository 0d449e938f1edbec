"""Work in progress: bytes become records, prints and matches before they become facts."""
