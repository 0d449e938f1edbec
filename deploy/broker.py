"""How Celery reaches its broker: the queue in our own database unless BROKER_URL names another."""

from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from deploy.environment import Environment

CONNECT_SECONDS = 3
"""Who sends a hint waits no longer for a broker; the sweeper finds what was not said."""

POLL_SECONDS = 0.25


def configuration(settings: Environment) -> dict[str, Any]:
    """Celery's configuration for the broker that `settings` names.

    A message is only a hint that a row may want work (DESIGN, decision 2), so every task is
    acknowledged late and may run twice.
    """
    return {
        **_transport(settings),
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_ignore_result": True,
        "worker_enable_remote_control": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_timeout": CONNECT_SECONDS,
    }


def _transport(settings: Environment) -> dict[str, Any]:
    if not settings.broker_url:
        return _postgresql(settings)
    if settings.broker_url.startswith(("amqp", "pyamqp")):
        return {
            "broker_url": settings.broker_url,
            "task_default_queue_type": "quorum",
            "worker_detect_quorum_queues": True,
        }
    options = {
        "visibility_timeout": settings.broker_visibility_seconds,
        "socket_connect_timeout": CONNECT_SECONDS,
    }
    return {"broker_url": settings.broker_url, "broker_transport_options": options}


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
            # A worker that was busy when a hint came hears of it at the next look, not before.
            "polling_interval": POLL_SECONDS,
            "pool_timeout": CONNECT_SECONDS,
            "visibility_timeout": settings.broker_visibility_seconds,
        },
    }
