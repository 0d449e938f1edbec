"""The web admin of what is on its way in."""
