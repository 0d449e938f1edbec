"""A bank's statement (camt.053): balances, and every entry that it booked, payment by payment."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from xml.etree.ElementTree import Element

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from compensation.bank import reading

BOOKED = "BOOK"
# Sub-families of the bank transaction code that say "returned" (ISO 20022 external codes).
_RETURNS = frozenset({"RRTN", "RPCR", "RRCT"})


@dataclass(frozen=True)
class Line:
    """One booked payment: an entry, or one payment of an entry for many. Credits are positive."""

    entry_reference: str
    # 0 for the entry as a whole; 1, 2, ... for its payments.
    detail: int
    amount_minor: int
    currency: str
    booked_on: date | None
    end_to_end_id: str
    remittance: str
    servicer_reference: str
    counterparty: str
    is_return: bool
    return_code: str
    return_words: str
    problem: str = ""


@dataclass(frozen=True)
class Statement:
    """One account's statement; balances are minor units, None where it names none."""

    statement_id: str
    iban: str
    currency: str
    opening_minor: int | None
    closing_minor: int | None
    closing_on: date | None
    lines: list[Line] = field(default_factory=list)


def read(document: Element) -> list[Statement]:
    """The statements in a parsed document; raises reading.UnreadableFile."""
    report = document.find("BkToCstmrStmt")
    if report is None:
        raise reading.UnreadableFile(_("The file is a camt.053 without a statement."))
    return [_statement(one) for one in report.findall("Stmt")]


def _statement(element: Element) -> Statement:
    name = reading.text(element, "Id")
    iban = reading.text(element, "Acct/Id/IBAN").replace(" ", "").upper()
    if not name or not iban:
        raise reading.UnreadableFile(_("A statement in the file lacks its number or its IBAN."))
    opening = _balance(element, "OPBD", "PRCD")
    closing = _balance(element, "CLBD")
    lines: list[Line] = []
    for position, entry in enumerate(element.findall("Ntry"), start=1):
        if reading.first_text(entry, "Sts/Cd", "Sts") == BOOKED:
            lines += _lines(entry, position)
    currency = reading.text(element, "Acct/Ccy")
    return Statement(
        statement_id=name[:35],
        iban=iban,
        currency=currency or next((one.currency for one in lines), ""),
        opening_minor=opening[0] if opening else None,
        closing_minor=closing[0] if closing else None,
        closing_on=closing[1] if closing else None,
        lines=lines,
    )


def _balance(element: Element, *codes: str) -> tuple[int, date | None] | None:
    for balance in element.findall("Bal"):
        if reading.text(balance, "Tp/CdOrPrtry/Cd") in codes:
            found = reading.money(balance, "Amt")
            if found is not None:
                return _signed(balance, found[0]), reading.day(balance, "Dt")
    return None


def _lines(entry: Element, position: int) -> list[Line]:
    """An entry, payment by payment where these add up to it, else as a whole."""
    whole = reading.money(entry, "Amt")
    if whole is None:
        raise reading.UnreadableFile(
            _("Entry %(position)s of a statement has no amount.") % {"position": position}
        )
    total, currency = _signed(entry, whole[0]), whole[1]
    name = reading.first_text(entry, "NtryRef", "AcctSvcrRef") or f"#{position}"
    details = entry.findall("NtryDtls/TxDtls")
    if len(details) <= 1:
        return [_line(entry, details[0] if details else None, name[:35], 0, total, currency)]
    amounts = [_amount_of(entry, one, currency) for one in details]
    known = [one for one in amounts if one is not None]
    if len(known) == len(amounts) and sum(known) == total:
        return [
            _line(entry, detail, name[:35], number, amount, currency)
            for number, (detail, amount) in enumerate(zip(details, known, strict=True), start=1)
        ]
    problem = _noop(
        "The payments that this entry is made of do not add up to it, or lack an amount."
    )
    return [_line(entry, None, name[:35], 0, total, currency, problem)]


def _amount_of(entry: Element, detail: Element, currency: str) -> int | None:
    found = reading.money(detail, "Amt") or reading.money(detail, "AmtDtls/TxAmt/Amt")
    if found is None or found[1] != currency:
        return None
    return _signed(detail if detail.find("CdtDbtInd") is not None else entry, found[0])


def _line(
    entry: Element,
    detail: Element | None,
    name: str,
    number: int,
    amount: int,
    currency: str,
    problem: str = "",
) -> Line:
    returned = detail.find("RtrInf") if detail is not None else None
    codes = {
        reading.text(one, "BkTxCd/Domn/Fmly/SubFmlyCd")
        for one in (entry, detail)
        if one is not None
    }
    side = "Cdtr" if amount < 0 else "Dbtr"
    return Line(
        entry_reference=name,
        detail=number,
        amount_minor=amount,
        currency=currency,
        booked_on=reading.day(entry, "BookgDt"),
        end_to_end_id=reading.text(detail, "Refs/EndToEndId"),
        remittance=_remittance(detail),
        servicer_reference=reading.first_text(detail, "Refs/AcctSvcrRef")
        or reading.text(entry, "AcctSvcrRef"),
        counterparty=reading.first_text(detail, f"RltdPties/{side}/Pty/Nm", f"RltdPties/{side}/Nm")[
            :140
        ],
        is_return=returned is not None
        or reading.text(entry, "RvslInd") in {"true", "1"}
        or bool(codes & _RETURNS),
        return_code=reading.first_text(returned, "Rsn/Cd", "Rsn/Prtry")[:35],
        return_words=reading.text(returned, "AddtlInf")[:500],
        problem=problem,
    )


def _remittance(detail: Element | None) -> str:
    if detail is None:
        return ""
    parts = [
        *detail.findall("RmtInf/Ustrd"),
        *detail.findall("RmtInf/Strd/CdtrRefInf/Ref"),
        *detail.findall("AddtlTxInf"),
    ]
    return " ".join((one.text or "").strip() for one in parts)[:1000]


def _signed(element: Element, amount: int) -> int:
    side = reading.text(element, "CdtDbtInd")
    if side not in {"CRDT", "DBIT"}:
        raise reading.UnreadableFile(_("An amount in a statement is neither credit nor debit."))
    return amount if side == "CRDT" else -amount
