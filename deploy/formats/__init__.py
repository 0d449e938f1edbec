"""How dates are written here: with their zone, and a day clock of 24 hours."""
