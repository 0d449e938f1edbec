"""XML that strangers send, read without its dangers: no document types, no entities, bounded."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from django.utils.translation import gettext as _

from compensation.bank.currency import decimals, to_minor
from provenance.refusals import Refused

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:"
LIMIT_BYTES = 64 * 2**20


class UnreadableFile(Refused):
    """This is no file of the bank that we can read."""

    code = "bank_file_unreadable"
    status = 400
    hint = "Upload the file as the bank gave it: pain.002 or camt.053, XML, not packed."


def parse(content: bytes) -> tuple[str, Element]:
    """The message's name (`camt.053.001.08`) and its document, tags without namespace.

    Raises UnreadableFile for anything that is not XML of ISO 20022, that is larger than
    64 MiB, or that brings a document type or entities with it (billion laughs).
    """
    if len(content) > LIMIT_BYTES:
        raise UnreadableFile(
            _("The file is larger than 64 MiB."), hint=_("Ask for one file a day.")
        )
    try:
        root = fromstring(content, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except DefusedXmlException as error:
        raise UnreadableFile(
            _(
                "The file brings a document type or entities with it. Banks never send "
                "those, and they can be used to exhaust a reader: nothing of it was read."
            )
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise UnreadableFile(
            _("The file is not well-formed XML: %(error)s.") % {"error": error}
        ) from error
    space, _brace, name = root.tag.rpartition("}")
    if name != "Document" or not space.startswith("{" + NAMESPACE):
        raise UnreadableFile(_("The file is XML, and no ISO 20022 document."))
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return space.removeprefix("{" + NAMESPACE), root


def text(element: Element | None, path: str) -> str:
    """The text under `path`, without spaces around it; empty where there is none."""
    found = element.find(path) if element is not None else None
    return (found.text or "").strip() if found is not None else ""


def first_text(element: Element | None, *paths: str) -> str:
    """The first text that is there."""
    return next((found for path in paths if (found := text(element, path))), "")


def day(element: Element | None, path: str) -> date | None:
    """The day under `path/Dt` or of the moment under `path/DtTm`; None where there is none."""
    said = first_text(element, f"{path}/Dt", f"{path}/DtTm", path)
    if not said:
        return None
    try:
        return date.fromisoformat(said[:10])
    except ValueError as error:
        raise UnreadableFile(_("%(said)s is no day.") % {"said": repr(said)}) from error


def moment(element: Element | None, path: str) -> datetime | None:
    """The moment under `path`; None where there is none, or it names no zone."""
    said = text(element, path)
    try:
        found = datetime.fromisoformat(said) if said else None
    except ValueError as error:
        raise UnreadableFile(_("%(said)s is no moment.") % {"said": repr(said)}) from error
    return found if found is not None and found.tzinfo is not None else None


def money(element: Element, path: str) -> tuple[int, str] | None:
    """The amount under `path` in minor units, and its currency; None where there is none."""
    found = element.find(path)
    if found is None:
        return None
    currency = found.get("Ccy", "")
    try:
        amount = Decimal((found.text or "").strip())
    except InvalidOperation as error:
        raise UnreadableFile(_("%(text)s is no amount.") % {"text": repr(found.text)}) from error
    minor = to_minor(amount, currency) if amount.is_finite() and amount >= 0 else None
    if minor is None:
        raise UnreadableFile(
            _("%(text)s is no amount of %(currency)s, which has %(decimals)s decimals.")
            % {
                "text": repr(found.text),
                "currency": currency or "a currency",
                "decimals": decimals(currency),
            }
        )
    return minor, currency
