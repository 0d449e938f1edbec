"""Real processes are killed at bad moments; nothing is lost, nothing happens twice."""
