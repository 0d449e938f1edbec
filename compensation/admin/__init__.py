"""The web admin of money."""
