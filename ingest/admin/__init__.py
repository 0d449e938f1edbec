"""The web admin of what is on its way in: registering, uploads, screenings, their progress."""

from ingest.admin import registering, screenings, steps, uploads

__all__ = ["registering", "screenings", "steps", "uploads"]
