"""The web admin of what is on its way in: registering, uploads, their progress."""

from ingest.admin import registering, uploads

__all__ = ["registering", "uploads"]
