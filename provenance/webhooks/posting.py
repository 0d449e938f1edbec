"""Posting messages: signed, retried for days, the address switched off when it never answers.

A message that is due is taken in a short transaction that puts its next try off, posted outside of
any, and marked. Where a worker dies in between, it is posted again under the same `webhook-id`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import aiohttp
import structlog
from django.db import transaction
from tallymark.webhooks import sign

from provenance import ledger, network, notices
from provenance.models import Webhook, WebhookAttempt, WebhookMessage
from provenance.network import Allowed
from provenance.notices.words import line
from provenance.webhooks.endpoints import secret_of

log = structlog.get_logger(__name__)

AT_ONCE = 20
# Of one address: a slow one must not hold up the others'.
AT_ONCE_EACH = 4
TIMEOUT_SECONDS = 10
ANSWER_BYTES = 2_000
# After the n-th failed attempt; after the last one nothing is posted there any more (three days).
RETRIES = tuple(
    timedelta(seconds=seconds)
    for seconds in (30, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
# The receiver says that it will never want this again (RFC 9110, 410).
GONE = 410


# What went wrong on the way, the narrower first.
_FAULTS: tuple[tuple[type[BaseException], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "The host's name has no address."),
    (aiohttp.ClientSSLError, "No trusted connection: look at the certificate."),
    (aiohttp.ClientConnectorError, "Nothing takes connections at this address."),
    (aiohttp.ServerDisconnectedError, "The connection was closed before an answer came."),
)
BROKEN = "The connection broke, or what came was no HTTP."


@dataclass(frozen=True)
class Outcome:
    """How posting a message went; `status` is None where there was no answer."""

    status: int | None
    answer: str
    milliseconds: int

    @property
    def is_taken(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300


def post_due(*, at: datetime, allowed: Allowed | None = None) -> int:
    """Post what is due by `at`, at most AT_ONCE messages; how many were taken by receivers."""
    messages = take(at=at)
    if not messages:
        return 0
    outcomes = asyncio.run(_post_all(messages, at, allowed or network.allowed()))
    return sum(
        _note(message, outcome, at) for message, outcome in zip(messages, outcomes, strict=True)
    )


@transaction.atomic
def take(*, at: datetime) -> list[WebhookMessage]:
    """Messages to post now; nobody else takes them for a while."""
    rows = WebhookMessage.objects.due(at).select_related("webhook__party")
    locked = rows.select_for_update(of=("self",), skip_locked=True).order_by("send_at", "pk")
    taken: list[WebhookMessage] = []
    for message in locked[: AT_ONCE * 5]:
        of_this = sum(one.webhook_id == message.webhook_id for one in taken)
        if len(taken) < AT_ONCE and of_this < AT_ONCE_EACH:
            taken.append(message)
    for message in taken:
        message.send_at = at + _patience(message.attempt_count)
        message.attempt_count += 1
    WebhookMessage.objects.bulk_update(taken, ["attempt_count", "send_at"])
    return taken


def _patience(attempt_count: int) -> timedelta:
    """Until the next try, after so many before this one."""
    return RETRIES[min(attempt_count, len(RETRIES) - 1)]


async def _post_all(
    messages: Sequence[WebhookMessage], at: datetime, allowed: Allowed
) -> list[Outcome]:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with network.session(allowed, timeout) as session:
        posts = [_post(session, message, at) for message in messages]
        return list(await asyncio.gather(*posts))


async def _post(session: aiohttp.ClientSession, message: WebhookMessage, at: datetime) -> Outcome:
    """Post one message; a redirect is not followed, and counts as refused."""
    body, stamp = message.body.encode(), int(at.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Tallymark-Webhooks/1",
        "webhook-id": f"msg_{message.pk}",
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign(body, f"msg_{message.pk}", stamp, secret_of(message.webhook)),
    }
    began = time.monotonic()
    status: int | None = None
    try:
        async with session.post(
            message.webhook.url, data=body, headers=headers, allow_redirects=False
        ) as answer:
            status = answer.status
            words = (await answer.content.read(ANSWER_BYTES)).decode("utf-8", "replace")
    except (OSError, TimeoutError, aiohttp.ClientError, ValueError) as error:
        words = _explained(error)
    # PostgreSQL keeps no NUL in text.
    words = words.replace("\0", "�")
    return Outcome(status, words, round((time.monotonic() - began) * 1000))


def _explained(error: BaseException) -> str:
    """Why there was no answer, without what our network looks like."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, network.AddressRefused):
            return "The address leads into a private network; nothing was sent."
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, TimeoutError):
        return f"There was no answer within {TIMEOUT_SECONDS} seconds."
    return next((words for kind, words in _FAULTS if isinstance(error, kind)), BROKEN)


@transaction.atomic
def _note(message: WebhookMessage, outcome: Outcome, at: datetime) -> bool:
    """Keep how an attempt went, and what follows; whether the message was taken."""
    WebhookAttempt.objects.create(
        message=message,
        at=at,
        status=outcome.status,
        answer=outcome.answer,
        milliseconds=outcome.milliseconds,
    )
    rows = WebhookMessage.objects.select_for_update().filter(pk=message.pk)
    # A replay, or another worker after this one was thought dead, goes its own way.
    held = rows.filter(attempt_count=message.attempt_count).first()
    if held is None:
        return outcome.is_taken
    if outcome.is_taken:
        held.send_at, held.delivered_at = None, at
    elif message.attempt_count > len(RETRIES) or outcome.status == GONE:
        held.send_at, held.gave_up_at = None, at
        _disable(message.webhook, outcome, at)
    held.save(update_fields=["send_at", "delivered_at", "gave_up_at"])
    return outcome.is_taken


def _disable(webhook: Webhook, outcome: Outcome, at: datetime) -> None:
    """Post nothing more there until somebody switches it on again, and say so."""
    why = f"the last answer was {outcome.status}" if outcome.status else outcome.answer
    held = Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)
    if held.disabled_at is not None or held.removed_at is not None:
        return
    held.disabled_at, held.disabled_words = at, line(why, 300)
    held.save(update_fields=["disabled_at", "disabled_words"])
    event = ledger.record(
        "webhook.disabled",
        at=at,
        subject_kind="webhook",
        subject_id=held.pk,
        party=webhook.party,
        body={},
    )
    notices.tell(
        "webhook.disabled",
        party=webhook.party,
        about=held.pk,
        key=event.pk,
        at=at,
        name=held.name,
        url=held.url,
        why=why,
    )
