"""The Celery application of the workers, and of everything that sends them hints."""

import os

from celery import Celery
from django_structlog.celery.steps import DjangoStructLogInitStep

from deploy import broker
from deploy.environment import environment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")

app = Celery("tallymark", task_cls="deploy.readonly:PausingTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(**broker.configuration(environment()))
app.steps["worker"].add(DjangoStructLogInitStep)
app.autodiscover_tasks()
