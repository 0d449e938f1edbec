"""Tells Django that `provenance` is an app."""

from django.apps import AppConfig


class ProvenanceConfig(AppConfig):
    """The app of provenance."""

    name = "provenance"
    default_auto_field = "django.db.models.BigAutoField"
