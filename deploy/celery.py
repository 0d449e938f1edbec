"""The Celery application: PostgreSQL carries its hints unless BROKER_URL names a broker.

A message is only a hint that a row may want work (DESIGN, decision 2), so every task is
acknowledged late and may run twice.
"""

import os
from typing import Any

from celery import Celery
from django_structlog.celery.steps import DjangoStructLogInitStep
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from deploy.environment import Environment, environment

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")


def broker(settings: Environment) -> dict[str, Any]:
    """Celery's configuration for the broker that `settings` names."""
    if not settings.broker_url:
        return _postgresql(settings)
    visibility = {"visibility_timeout": settings.broker_visibility_seconds}
    if settings.broker_url.startswith(("amqp", "pyamqp")):
        return {
            "broker_url": settings.broker_url,
            "task_default_queue_type": "quorum",
            "worker_detect_quorum_queues": True,
        }
    return {"broker_url": settings.broker_url, "broker_transport_options": visibility}


def _postgresql(settings: Environment) -> dict[str, Any]:
    """The queue in our own database; the schema is installed by its administrator."""
    url = settings.database_broker_url or "postgresql://tallymark_broker@127.0.0.1/tallymark"
    return {
        "broker_url": "pgmq://",
        "broker_transport_options": {
            # As a URL, kombu would lose a socket folder and every option behind it.
            "conn_string": make_conninfo("", **conninfo_to_dict(url)),
            "init_extension": False,
            "use_notify": True,
            "wait_time_seconds": 0,
            "visibility_timeout": settings.broker_visibility_seconds,
        },
    }


app = Celery("tallymark")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    **broker(environment()),
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
)
app.steps["worker"].add(DjangoStructLogInitStep)
app.autodiscover_tasks()
