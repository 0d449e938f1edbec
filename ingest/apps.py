"""Tells Django that `ingest` is an app."""

from django.apps import AppConfig


class IngestConfig(AppConfig):
    """The app of ingest."""

    name = "ingest"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Declare what owners are told of their uploads."""
        from ingest import notices  # noqa: F401
