"""Quotes taken up: whether a run may name one, and what its uses are priced by then."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.utils.translation import gettext as _

from provenance.models import DatasetVersion, Grant, Party, Quote, QuoteItem, Rate, Run
from provenance.refusals import Refused


class QuoteExpired(Refused):
    """The quote no longer binds."""

    code = "quote_expired"
    hint = "Ask for a new one with POST /api/v1/quotes, or start the run without a quote."


class QuoteNotOfRun(Refused):
    """The run with this id was started without that quote."""

    code = "quote_not_of_run"
    hint = "Name the quote when the run is first started, by every rank alike."


class QuoteMisplaced(Refused):
    """The quote is not for a run like this."""

    code = "quote_misplaced"
    status = 400
    hint = "Name a quote of your own, for the run's purpose."


def require_fits(quote: Quote | None, *, lab: Party, purpose: str, parent: Run | None) -> None:
    """Raises QuoteMisplaced where a quote is not for a run like this."""
    if quote is None:
        return
    if quote.lab_id != lab.id:
        raise QuoteMisplaced(_("The quote is another lab's."))
    if quote.purpose != purpose:
        raise QuoteMisplaced(
            _("The quote is for '%(quoted)s', the run for '%(purpose)s'.")
            % {"quoted": quote.purpose, "purpose": purpose},
            hint=_("Ask for a quote with the run's purpose."),
        )
    if parent is not None:
        raise QuoteMisplaced(
            _("A quote holds for a whole job."),
            hint=_("Name it as the run at the top starts."),
        )


def require_valid(quote: Quote | None, at: datetime, received_at: datetime) -> None:
    """A start in the past is believed only as far as a run may be silent."""
    if quote is None:
        return
    heard_by = quote.valid_until + timedelta(seconds=settings.RUN_SILENCE_SECONDS)
    if not quote.created_at <= at < quote.valid_until or received_at > heard_by:
        raise QuoteExpired(
            _("This quote was valid until %(valid_until)s UTC.")
            % {"valid_until": f"{quote.valid_until:%Y-%m-%d %H:%M}"}
        )


def quoted(root: Run, version: DatasetVersion, purpose: str) -> QuoteItem | None:
    """What the run's quote promised for this use, if it has one."""
    if root.quote_id is None:
        return None
    items = QuoteItem.objects.filter(quote=root.quote_id, quote__purpose=purpose)
    return items.filter(version=version).first()


def rate_of(grant: Grant | None, quoted: QuoteItem | None) -> Rate | None:
    """What a use is priced by: the quote's rate, else the one that the grant froze."""
    if grant is None:
        return None
    if quoted is not None and quoted.licence_id == grant.licence_id:
        return quoted.rate
    return grant.rate
