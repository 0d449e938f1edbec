"""The keys that sign a lab's reports: named with a signature of their own, revoked at once.

A key never leaves its lab: we know its address. Several may be in force, so that one can replace
another; none ever signs for a second party.
"""

from __future__ import annotations

import re
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from tallymark import receipts, secp256k1
from tallymark.typed import Domain

from provenance import chains, ledger, merkle
from provenance.models import Party, ReportingKey, User
from provenance.refusals import Refused

ADDRESS = re.compile("0x[0-9a-f]{40}")
SIGNATURE = re.compile("0x[0-9a-f]{130}")


class BadReportingKey(Refused):
    """That is no address of a key with its signature."""

    code = "bad_reporting_key"
    status = 400
    hint = "Run `tallymark reporting-key` where the key is: it prints or sends both."


class NotTheKey(Refused):
    """The signature was not made by this key for this organisation and service."""

    code = "not_the_reporting_key"
    status = 403
    hint = "Sign with the key that you name, for this service and with your own API key."


class KeyOfAnother(Refused):
    """This key signs for another organisation."""

    code = "reporting_key_taken"
    hint = "Make a key of your own: no key signs for two."


class NotALab(Refused):
    """Only a lab reports use."""

    code = "not_a_lab"
    hint = "Ask the operator to make your organisation a lab."


def domain() -> Domain:
    """Where signatures count: this service, by its public address, and its chain."""
    return Domain(service=settings.PUBLIC_URL, chain_id=chains.home())


def signer_of(digest: bytes, signature: bytes) -> str:
    """The address that signed 32 bytes, in small letters; raises secp256k1.NotSigned.

    The same as the client's own, a hundred times as fast.
    """
    from coincurve import PublicKey

    if len(signature) != secp256k1.SIGNATURE_BYTES or signature[64] not in (27, 28):
        raise secp256k1.NotSigned(_("a signature has 65 bytes and ends in 1b or 1c"))
    if int.from_bytes(signature[32:64], "big") > secp256k1.ORDER // 2:
        raise secp256k1.NotSigned(_("the signature's numbers are out of range"))
    recoverable = signature[:64] + bytes([signature[64] - 27])
    try:
        key = PublicKey.from_signature_and_message(recoverable, digest, hasher=None)
    except Exception as error:  # coincurve raises bare Exceptions
        raise secp256k1.NotSigned(_("the signature leads to no key")) from error
    return "0x" + merkle.keccak(key.format(compressed=False)[1:])[12:].hex()


@transaction.atomic
def register(
    *,
    party: Party,
    name: str,
    address: str,
    signature: str,
    at: datetime,
    by: User | None = None,
) -> ReportingKey:
    """Let a key sign the reports of `party`; it shows by a signature that it is theirs.

    Safe to repeat. A key that was revoked stays revoked.
    """
    if not party.is_lab:
        raise NotALab
    found, signed = address.strip().lower(), signature.strip().lower()
    if not ADDRESS.fullmatch(found) or not SIGNATURE.fullmatch(signed) or not name.strip():
        raise BadReportingKey
    digest = receipts.key_digest(domain(), str(party.pk), found)
    try:
        is_its = signer_of(digest, bytes.fromhex(signed[2:])) == found
    except secp256k1.NotSigned:
        is_its = False
    if not is_its:
        raise NotTheKey
    key, is_new = ReportingKey.objects.get_or_create(
        address=found,
        defaults={"party": party, "name": name.strip()[:100], "added_by": by, "added_at": at},
    )
    if key.party_id != party.pk:
        raise KeyOfAnother
    if is_new:
        _record("reporting_key.registered", key, at)
    elif key.revoked_at is not None:
        raise BadReportingKey(_("This key was revoked."), hint=_("Make a new one."))
    return key


@transaction.atomic
def revoke(*, key: ReportingKey, at: datetime) -> ReportingKey:
    """Take nothing more that it signs; what it signed before stays. Safe to repeat."""
    locked = ReportingKey.objects.select_for_update().get(pk=key.pk)
    if locked.revoked_at is None:
        locked.revoked_at = at
        locked.save(update_fields=["revoked_at"])
        _record("reporting_key.revoked", locked, at)
    return locked


@transaction.atomic
def require(*, party: Party, is_required: bool, at: datetime) -> Party:
    """Refuse reports of `party` that are not signed, or take them again. Safe to repeat."""
    if not party.is_lab:
        raise NotALab
    if is_required and not party.reporting_keys.filter(revoked_at=None).exists():
        raise BadReportingKey(
            _("No key of yours is in force."),
            hint=_("Name one first: reports must be signed."),
        )
    locked = Party.objects.select_for_update().get(pk=party.pk)
    if locked.requires_signed_reports != is_required:
        locked.requires_signed_reports = is_required
        locked.save(update_fields=["requires_signed_reports"])
        ledger.record(
            "reports.signing",
            at=at,
            subject_kind="party",
            subject_id=party.pk,
            party=party,
            body={"is_required": is_required},
        )
    return locked


def _record(kind: str, key: ReportingKey, at: datetime) -> None:
    ledger.record(
        kind,
        at=at,
        subject_kind="reporting_key",
        subject_id=key.pk,
        party=key.party,
        body={"tenant": key.party_id, "address": key.address},
    )
