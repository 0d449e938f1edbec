"""What owners offer: a licence's terms, purpose by purpose."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from license_expression import ExpressionError, ExpressionParseError, get_spdx_licensing

from provenance import ledger
from provenance.models import Dataset, Licence, Purpose, User
from provenance.refusals import Refused


class UnknownPurpose(Refused):
    """That is no purpose of use."""

    code = "unknown_purpose"
    status = 400
    hint = f"Choose from: {', '.join(Purpose.values)}."


class NothingOffered(Refused):
    """A licence must say what it allows, and on what terms."""

    code = "nothing_offered"
    status = 400
    hint = "Name at least one purpose, and an SPDX expression or the licence's text."


class NotSpdx(Refused):
    """That is not an SPDX licence expression."""

    code = "not_spdx"
    status = 400
    hint = "See spdx.org/licenses; for terms of your own write LicenseRef-NAME and give the text."


@transaction.atomic
def offer_licence(
    *,
    dataset: Dataset,
    name: str,
    spdx: str = "",
    text: str = "",
    purposes: Sequence[str],
    is_automatic: bool = False,
    shows_model_name: bool = False,
    term_days: int = 365,
    at: datetime,
    by: User | None = None,
) -> Licence:
    """Offer terms for a dataset. `is_automatic` gives grants for them without the owner's hand."""
    require_purposes(purposes)
    if not purposes or not (spdx.strip() or text.strip()) or term_days < 1:
        raise NothingOffered
    licence = Licence.objects.create(
        dataset=dataset,
        name=name,
        spdx=_checked_spdx(spdx),
        text=text,
        purposes=sorted(set(purposes)),
        is_automatic=is_automatic,
        shows_model_name=shows_model_name,
        term_days=term_days,
        created_at=at,
    )
    body = {
        "dataset": dataset.id,
        "spdx": licence.spdx,
        "text_sha256": text_digest(licence),
        "purposes": licence.purposes,
        "is_automatic": is_automatic,
        "shows_model_name": shows_model_name,
        "term_days": term_days,
        "by": str(by.pk) if by else None,
    }
    record_licence("licence.offered", licence, at, body)
    return licence


@transaction.atomic
def retire_licence(*, licence: Licence, at: datetime) -> Licence:
    """Offer it no longer; what was granted under it stays granted. Safe to repeat."""
    changed = Licence.objects.filter(pk=licence.pk, retired_at=None).update(
        retired_at=at, is_offered=False
    )
    licence.refresh_from_db()
    if changed:
        record_licence("licence.retired", licence, at, {})
    return licence


def require_purposes(purposes: Sequence[str]) -> None:
    """Raises UnknownPurpose."""
    unknown = [purpose for purpose in purposes if purpose not in Purpose.values]
    if unknown:
        raise UnknownPurpose(_("'%(name)s' is no purpose of use.") % {"name": unknown[0]})


@cache
def _spdx() -> Any:
    """The SPDX licence list; reading it takes a moment."""
    return get_spdx_licensing()


def _checked_spdx(expression: str) -> str:
    """The expression in SPDX's own spelling; empty stays empty."""
    if not expression.strip():
        return ""
    try:
        parsed = _spdx().parse(expression)
    except (ExpressionError, ExpressionParseError) as error:
        raise NotSpdx(
            _("'%(expression)s' is not an SPDX expression.") % {"expression": expression}
        ) from error
    unknown = [
        key for key in _spdx().unknown_license_keys(parsed) if not key.startswith("LicenseRef-")
    ]
    if unknown:
        raise NotSpdx(_("SPDX knows no licence '%(name)s'.") % {"name": unknown[0]})
    return str(parsed)


def text_digest(licence: Licence) -> str:
    """SHA-256 of the licence's text, which names it in the ledger."""
    return hashlib.sha256(licence.text.encode()).hexdigest()


def record_licence(kind: str, licence: Licence, at: datetime, body: dict[str, Any]) -> None:
    """Write into the ledger what happened to a licence."""
    ledger.record(
        kind,
        at=at,
        subject_kind="licence",
        subject_id=licence.id,
        party=licence.dataset.owner,
        body=body,
    )
