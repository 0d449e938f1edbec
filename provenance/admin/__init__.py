"""The web admin of the facts: importing it registers every noun's pages on the one site."""
