"""An order to a bank to pay (pain.001): one group, one transaction for each payout.

Source: ISO 20022 pain.001.001.09 and .03, EPC132-08 (SEPA credit transfer, customer to bank).
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

from compensation.bank.charset import latin
from compensation.bank.currency import to_text
from compensation.bank.reading import NAMESPACE
from compensation.bank.references import creditor_reference

if TYPE_CHECKING:
    from xmlschema import XMLSchema

VERSIONS = ("pain.001.001.09", "pain.001.001.03")
NAME_LIMIT, REMITTANCE_LIMIT = 70, 140


@dataclass(frozen=True)
class Side:
    """An account and who holds it; the BIC may be left out within SEPA."""

    holder: str
    iban: str
    bic: str = ""


@dataclass(frozen=True)
class Payment:
    """One payment, in minor units of the order's currency."""

    reference: str
    amount_minor: int
    to: Side
    remittance: str


@dataclass(frozen=True)
class Order:
    """All that a bank needs to know."""

    message_id: str
    made_at: datetime
    execute_on: date
    currency: str
    debtor: Side
    payments: Sequence[Payment]
    version: str = VERSIONS[0]
    is_structured: bool = False

    @property
    def control_minor(self) -> int:
        """The sum of all payments."""
        return sum(one.amount_minor for one in self.payments)


def write(order: Order) -> bytes:
    """The order as XML that the published schema accepts; anything else is our own bug."""
    root = Element("Document", xmlns=NAMESPACE + order.version)
    body = SubElement(root, "CstmrCdtTrfInitn")
    _header(SubElement(body, "GrpHdr"), order)
    _group(SubElement(body, "PmtInf"), order)
    content: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    faults = [str(one) for one in schema(order.version).iter_errors(content.decode())]
    assert not faults, f"the schema refuses our order: {faults[0]}"
    return content


@cache
def schema(version: str) -> XMLSchema:
    """The published schema of a version, as the package `sepaxml` carries it."""
    import xmlschema

    place = importlib.resources.files("sepaxml") / "schemas" / f"{version}.xsd"
    return xmlschema.XMLSchema(place.read_text("utf-8"))


def _header(header: Element, order: Order) -> None:
    _put(header, "MsgId", order.message_id)
    _put(header, "CreDtTm", order.made_at.strftime("%Y-%m-%dT%H:%M:%S"))
    _put(header, "NbOfTxs", str(len(order.payments)))
    _put(header, "CtrlSum", to_text(order.control_minor, order.currency))
    _put(header, "InitgPty/Nm", latin(order.debtor.holder, NAME_LIMIT))


def _group(group: Element, order: Order) -> None:
    _put(group, "PmtInfId", order.message_id)
    _put(group, "PmtMtd", "TRF")
    # Each payment is booked on its own, so that a statement can be read payment by payment.
    _put(group, "BtchBookg", "false")
    _put(group, "NbOfTxs", str(len(order.payments)))
    _put(group, "CtrlSum", to_text(order.control_minor, order.currency))
    is_sepa = order.currency == "EUR"
    if is_sepa:
        _put(group, "PmtTpInf/SvcLvl/Cd", "SEPA")
    when = "ReqdExctnDt" if order.version == "pain.001.001.03" else "ReqdExctnDt/Dt"
    _put(group, when, order.execute_on.isoformat())
    _put(group, "Dbtr/Nm", latin(order.debtor.holder, NAME_LIMIT))
    _put(group, "DbtrAcct/Id/IBAN", order.debtor.iban)
    _agent(group, "DbtrAgt", order.debtor.bic, order.version, is_required=True)
    _put(group, "ChrgBr", "SLEV" if is_sepa else "SHAR")
    for payment in order.payments:
        _transfer(SubElement(group, "CdtTrfTxInf"), payment, order)


def _transfer(transfer: Element, payment: Payment, order: Order) -> None:
    _put(transfer, "PmtId/EndToEndId", payment.reference)
    amount = _put(transfer, "Amt/InstdAmt", to_text(payment.amount_minor, order.currency))
    amount.set("Ccy", order.currency)
    _agent(transfer, "CdtrAgt", payment.to.bic, order.version)
    _put(transfer, "Cdtr/Nm", latin(payment.to.holder, NAME_LIMIT))
    _put(transfer, "CdtrAcct/Id/IBAN", payment.to.iban)
    if not order.is_structured:
        _put(transfer, "RmtInf/Ustrd", latin(payment.remittance, REMITTANCE_LIMIT))
        return
    given = _under(transfer, "RmtInf/Strd/CdtrRefInf")
    _put(given, "Tp/CdOrPrtry/Cd", "SCOR")
    _put(given, "Ref", creditor_reference(payment.reference))


def _agent(
    parent: Element, name: str, bic: str, version: str, *, is_required: bool = False
) -> None:
    if bic:
        tag = "BIC" if version == "pain.001.001.03" else "BICFI"
        _put(parent, f"{name}/FinInstnId/{tag}", bic)
    elif is_required:
        _put(parent, f"{name}/FinInstnId/Othr/Id", "NOTPROVIDED")


def _put(parent: Element, path: str, value: str) -> Element:
    made = _under(parent, path)
    made.text = value
    return made


def _under(parent: Element, path: str) -> Element:
    for name in path.split("/"):
        parent = SubElement(parent, name)
    return parent
