"""The web application, for any WSGI server."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")

application = get_wsgi_application()

# Only now are the models there that this needs.
from ingest.gateways import warmth  # noqa: E402

warmth.begin_soon()
