"""The HTTP door of ingest: send a version's content, follow it, confirm a delta."""
