"""How usage arrives: each meter turns what it hears into calls of `provenance.usage`."""
