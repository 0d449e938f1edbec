"""Tells Django that `provenance` is an app, and keeps a library from widening what we bear."""

import sys

from django.apps import AppConfig


class ProvenanceConfig(AppConfig):
    """The app of provenance."""

    name = "provenance"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Take back what py_ecc, which web3 brings, does to the whole process when imported.

        It lets Python recurse 100,000 deep. Nested JSON from outside would then overflow C's
        stack and kill the process, where the usual limit makes it a refusal.
        """
        limit = sys.getrecursionlimit()
        import py_ecc  # noqa: F401

        sys.setrecursionlimit(limit)
