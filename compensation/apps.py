"""Tells Django that `compensation` is an app."""

from django.apps import AppConfig


class CompensationConfig(AppConfig):
    """The app of compensation."""

    name = "compensation"
    default_auto_field = "django.db.models.BigAutoField"
