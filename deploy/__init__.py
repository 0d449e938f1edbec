"""What stands on top: settings, urls, Celery and the embedded services."""
