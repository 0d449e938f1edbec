"""Checks that a message came from the service: the Standard Webhooks signature, standard library.

    import tallymark.webhooks

    message = tallymark.webhooks.verify(body, headers, secret="whsec_...")
    print(message["type"], message["data"]["title"])

`body` is the request's body byte for byte, before any JSON is parsed. A message may come more than
once: its `webhook-id` is the same each time, so that a receiver can leave out what it has.

Source: Standard Webhooks specification 1.0, https://www.standardwebhooks.com
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

PREFIX = "whsec_"
VERSION = "v1"
TOLERANCE_SECONDS = 300


class NotGenuine(Exception):
    """The message was not sent by the service, was changed, or is old; the text says which."""


def verify(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    tolerance_seconds: int = TOLERANCE_SECONDS,
    now: float | None = None,
) -> dict[str, Any]:
    """The message as a dict, once its signature was found to be genuine; raises NotGenuine.

    `secret`: `whsec_...`, or several while one is being replaced. A message whose timestamp is
    further than `tolerance_seconds` from `now` (seconds since 1970; the clock's unless given) is
    refused, so that nobody sends an old one again.
    """
    named = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, timestamp, signatures = (
            named[f"webhook-{part}"] for part in ("id", "timestamp", "signature")
        )
    except KeyError as error:
        raise NotGenuine(f"the header {error} is missing") from error
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16):
        raise NotGenuine("the header 'webhook-timestamp' is no number of seconds")
    if abs((time.time() if now is None else now) - int(timestamp)) > tolerance_seconds:
        raise NotGenuine("the message is too old, or this machine's clock is wrong")
    content = body.encode() if isinstance(body, str) else body
    given = [one for one in signatures.split() if one.startswith(f"{VERSION},")]
    secrets = [secret] if isinstance(secret, str) else list(secret)
    expected = [sign(content, message_id, int(timestamp), one) for one in secrets]
    # Every pair is compared, so that time tells nothing.
    fits = [hmac.compare_digest(a.encode(), b.encode()) for a in given for b in expected]
    if not any(fits):
        raise NotGenuine(
            "no signature fits: the message was changed, or signed with another secret"
        )
    try:
        message = json.loads(content)
    except ValueError as error:
        raise NotGenuine("the body is no JSON") from error
    if not isinstance(message, dict):
        raise NotGenuine("the body is no JSON object")
    return message


def sign(body: bytes, message_id: str, timestamp: int, secret: str) -> str:
    """The signature `v1,<base64>` over `id.timestamp.body`; raises ValueError for a bad secret."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"a secret is {PREFIX} and base64") from error
    signed = f"{message_id}.{timestamp}.".encode() + body
    mac = hmac.new(key, signed, hashlib.sha256).digest()
    return f"{VERSION},{base64.b64encode(mac).decode()}"
