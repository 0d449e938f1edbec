"""Tells Django that `deploy` brings commands and templates of its own."""

from django.apps import AppConfig


class DeployConfig(AppConfig):
    """The app of deploy: no models, only what needs to see every other app."""

    name = "deploy"
