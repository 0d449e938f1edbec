"""The API as keys for tests see it: the same addresses and shapes, over test data alone."""
