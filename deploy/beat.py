"""The Celery application of the clock: it sends tasks by name and knows none of them.

So it starts without Django's apps, which take every process seconds to import.
"""

import os

from celery import Celery

from deploy import broker
from deploy.environment import environment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")

app = Celery("tallymark", fixups=[])
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(**broker.configuration(environment()))
