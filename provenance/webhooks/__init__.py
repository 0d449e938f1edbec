"""Webhooks: a party's programs are posted what its people are told, signed, until they take it."""

from provenance.webhooks.endpoints import (
    BadWebhookUrl,
    TooManyWebhooks,
    UnknownKinds,
    WebhookOff,
    create,
    enable,
    remove,
    replay,
    replay_missed,
    secret_of,
    send_test,
)

__all__ = [
    "BadWebhookUrl",
    "TooManyWebhooks",
    "UnknownKinds",
    "WebhookOff",
    "create",
    "enable",
    "remove",
    "replay",
    "replay_missed",
    "secret_of",
    "send_test",
]
