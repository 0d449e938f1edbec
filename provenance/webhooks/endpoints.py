"""Addresses that are posted to: made, tested, switched on again, removed; messages replayed."""

from __future__ import annotations

import base64
import ipaddress
import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from tallymark.webhooks import PREFIX

from provenance import ledger, network, notices, secrecy
from provenance.models import Party, User, Webhook, WebhookMessage
from provenance.notices.words import line
from provenance.refusals import Refused

SECRET_BYTES = 32
MOST_WEBHOOKS = 20
URL_LENGTH = 500
TEST = "webhook.test"


class BadWebhookUrl(Refused):
    """Nothing can be posted to that address."""

    code = "bad_webhook_url"
    status = 400
    hint = "Give an https address that anybody can reach, without a password in it."


class UnknownKinds(Refused):
    """There is no such kind of notice."""

    code = "unknown_notice_kind"
    status = 400
    hint = "GET /notice-kinds lists them; name none for all of them."


class TooManyWebhooks(Refused):
    """A party has at most 20 webhooks."""

    code = "too_many_webhooks"
    hint = "Remove one that you no longer use."


class WebhookOff(Refused):
    """This webhook is switched off, or was removed."""

    code = "webhook_off"
    hint = "Switch it on first, or make a new one."


@transaction.atomic
def create(
    *,
    party: Party,
    url: str,
    name: str = "",
    kinds: Sequence[str] = (),
    by: User | None = None,
    at: datetime,
) -> tuple[Webhook, str]:
    """Post the party's notices of these kinds (of all, where none is named) to `url` from now on.

    Returns the webhook and its secret. Raises BadWebhookUrl, UnknownKinds or TooManyWebhooks.
    """
    checked = checked_url(url)
    unknown = set(kinds) - {kind.code for kind in notices.kinds()}
    if unknown:
        raise UnknownKinds(
            _("There is no kind '%(name)s'.") % {"name": line(sorted(unknown)[0], 60)}
        )
    Party.objects.select_for_update(no_key=True).get(pk=party.pk)
    if Webhook.objects.filter(party=party, removed_at=None).count() >= MOST_WEBHOOKS:
        raise TooManyWebhooks
    secret = PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    made = Webhook.objects.create(
        party=party,
        url=checked,
        name=line(name, 100) or str(urlsplit(checked).hostname),
        kinds=sorted(set(kinds)),
        hidden_secret=secrecy.hide(secret.encode()),
        made_by=by,
        made_at=at,
    )
    _record("webhook.created", made, at)
    return made, secret


@transaction.atomic
def remove(*, webhook: Webhook, at: datetime) -> Webhook:
    """Post nothing there any more; what was posted stays to be read. Safe to repeat."""
    held = _locked(webhook)
    if held.removed_at is None:
        held.removed_at = at
        held.save(update_fields=["removed_at"])
        _record("webhook.removed", held, at)
    return held


@transaction.atomic
def enable(*, webhook: Webhook, at: datetime) -> Webhook:
    """Post there again; what was missed waits for `replay_missed`. Safe to repeat."""
    held = _locked(webhook)
    if held.removed_at is not None:
        raise WebhookOff(_("This webhook was removed."))
    if held.disabled_at is not None:
        held.disabled_at, held.disabled_words = None, ""
        held.save(update_fields=["disabled_at", "disabled_words"])
        _record("webhook.enabled", held, at)
    return held


@transaction.atomic
def send_test(*, webhook: Webhook, at: datetime) -> WebhookMessage:
    """Post a message that tells of nothing, to see whether it arrives. Raises WebhookOff."""
    held = _in_use(webhook)
    body = {
        "type": TEST,
        "timestamp": at.astimezone(UTC).isoformat(),
        "data": {"party": str(held.party_id), "words": "A test: nothing happened."},
    }
    return WebhookMessage.objects.create(
        webhook=held,
        kind=TEST,
        body=json.dumps(body, separators=(",", ":")),
        made_at=at,
        send_at=at,
    )


@transaction.atomic
def replay(*, message: WebhookMessage, at: datetime) -> WebhookMessage:
    """Post a message again, under its own id and with its own body. Raises WebhookOff."""
    _in_use(message.webhook)
    _send_again(WebhookMessage.objects.filter(pk=message.pk), at)
    message.refresh_from_db()
    return message


@transaction.atomic
def replay_missed(*, webhook: Webhook, at: datetime) -> int:
    """Post again all that the address never took; how many. Raises WebhookOff."""
    held = _in_use(webhook)
    return _send_again(held.messages.filter(gave_up_at__isnull=False), at)


def secret_of(webhook: Webhook) -> str:
    """The secret that signs what is posted: `whsec_` and base64."""
    return secrecy.reveal(webhook.hidden_secret).decode()


def checked_url(url: str) -> str:
    """`url` as it is posted to; raises BadWebhookUrl. Names are looked up when it is posted."""
    given = url.strip()
    try:
        parts = urlsplit(given)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise BadWebhookUrl(_("That is no address.")) from error
    schemes = ("https", "http") if settings.ALLOW_PRIVATE_ADDRESSES else ("https",)
    if parts.scheme.lower() not in schemes or not host or len(given) > URL_LENGTH:
        raise BadWebhookUrl(
            _("The address must begin with %(schemes)s:// and name a host.")
            % {"schemes": schemes[0]}
        )
    if parts.username is not None or not given.isprintable() or " " in given:
        raise BadWebhookUrl(_("The address holds a user name, a space or a hidden character."))
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return given
    if not network.allowed()(address):
        raise BadWebhookUrl(_("The address leads into a private network."))
    return given


def _send_again(messages: QuerySet[WebhookMessage], at: datetime) -> int:
    return messages.update(send_at=at, attempt_count=0, delivered_at=None, gave_up_at=None)


def _in_use(webhook: Webhook) -> Webhook:
    held = _locked(webhook)
    if held.removed_at is not None or held.disabled_at is not None:
        raise WebhookOff
    return held


def _locked(webhook: Webhook) -> Webhook:
    rows = Webhook.objects.select_related("party")
    return rows.select_for_update(of=("self",), no_key=True).get(pk=webhook.pk)


def _record(kind: str, webhook: Webhook, at: datetime) -> None:
    """The address itself may tell a secret: the ledger gets the webhook's id alone."""
    ledger.record(
        kind,
        at=at,
        subject_kind="webhook",
        subject_id=webhook.pk,
        party=webhook.party,
        body={"kinds": webhook.kinds},
    )
