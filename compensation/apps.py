"""Tells Django that `compensation` is an app."""

from django.apps import AppConfig


class CompensationConfig(AppConfig):
    """The app of compensation."""

    name = "compensation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Declare what parties are told of money, and how amounts are written."""
        from compensation import notices, wording  # noqa: F401
        from provenance import amounts

        amounts.register(wording.amounts_of)
