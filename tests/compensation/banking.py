"""A bank for tests: the files it gives back, and owners with accounts and money that is payable."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest

from compensation import holdback, journal, payees, payment_runs
from compensation.models import Account, Asset, BankAccount, BankPayout, Entry, PaymentRun
from provenance.models import Party
from tests.cast import NOON

Kind = Account.Kind

ADAS_IBAN = "DE89370400440532013000"
BENS_IBAN = "FR1420041010050500013M02606"
OUR_IBAN = "NL91ABNA0417164300"
# After every hold of an account named at noon.
LATER = NOON + timedelta(days=10)
LATER_DAY = LATER.date()
_numbers = count(1)


@pytest.fixture
def our_account(euro: Asset) -> BankAccount:
    """The operator's account for euros."""
    return payment_runs.name_account(
        asset=euro, holder="Tallymark Operations", iban=OUR_IBAN, bic="ABNANL2A", at=NOON
    )


def account(party: Party, euro: Asset, iban: str = ADAS_IBAN, at: datetime = NOON):
    return payees.add_account(party=party, asset=euro, iban=iban, holder=party.name, at=at)


def earn(party: Party, asset: Asset, units: int, at: datetime = NOON) -> Entry:
    """Money that came in from outside, was earned, and has matured."""
    made = journal.post(
        kind=Entry.Kind.ADJUSTMENT,
        lines=[
            (journal.account(Kind.OWNER_PENDING, asset, party=party), units),
            (journal.account(Kind.EXTERNAL, asset), -units),
        ],
        effective_at=at,
        posted_at=at,
        idempotency_key=f"earned:{next(_numbers)}",
        matures_at=at,
    )
    holdback.mature_credits(at=at)
    return made


def run_of(asset: Asset, at: datetime = LATER) -> PaymentRun:
    return payment_runs.make_run(asset=asset, execute_on=at.date(), at=at)


@dataclass(frozen=True)
class Booked:
    """One booking in a statement: negative money leaves us."""

    minor: int
    reference: str = ""
    entry: str = ""
    servicer: str = ""
    remittance: str = ""
    returned: str = ""
    is_reversal: bool = False
    status: str = "BOOK"
    on: date = LATER_DAY


def debit(payout: BankPayout, **changes) -> Booked:
    given = {"reference": payout.reference, "entry": f"D{payout.reference}"}
    return Booked(minor=-payout.amount_minor, **{**given, **changes})


def returned(payout: BankPayout, reason: str = "AC04", **changes) -> Booked:
    given = {"reference": payout.reference, "entry": f"R{payout.reference}", "returned": reason}
    return Booked(minor=payout.amount_minor, **{**given, **changes})


def camt053(
    bookings: Iterable[Booked],
    *,
    statement: str = "2026-001",
    iban: str = OUR_IBAN,
    opening: int = 0,
    version: str = "08",
    on: date = LATER_DAY,
) -> bytes:
    """A statement as banks write it, in version 08 or the older 02."""
    rows = list(bookings)
    closing = opening + sum(one.minor for one in rows if one.status == "BOOK")
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}">'
        f"<BkToCstmrStmt><GrpHdr><MsgId>{statement}</MsgId>"
        f"<CreDtTm>{on}T20:00:00</CreDtTm></GrpHdr>"
        f"<Stmt><Id>{statement}</Id><CreDtTm>{on}T20:00:00</CreDtTm>"
        f"<Acct><Id><IBAN>{iban}</IBAN></Id><Ccy>EUR</Ccy></Acct>"
        f"{_balance('OPBD', opening, on)}{_balance('CLBD', closing, on)}"
        f"{''.join(_entry(one, version) for one in rows)}"
        f"</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def _balance(code: str, minor: int, on: date) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{_amount(minor)}"
        f"<Dt><Dt>{on}</Dt></Dt></Bal>"
    )


def _entry(one: Booked, version: str) -> str:
    state = one.status if version == "02" else f"<Cd>{one.status}</Cd>"
    reversal = "<RvslInd>true</RvslInd>" if one.is_reversal else ""
    name = f"<NtryRef>{one.entry}</NtryRef>" if one.entry else ""
    servicer = f"<AcctSvcrRef>{one.servicer}</AcctSvcrRef>" if one.servicer else ""
    end_to_end = f"<EndToEndId>{one.reference or 'NOTPROVIDED'}</EndToEndId>"
    back = f"<RtrInf><Rsn><Cd>{one.returned}</Cd></Rsn></RtrInf>" if one.returned else ""
    words = f"<RmtInf><Ustrd>{one.remittance}</Ustrd></RmtInf>" if one.remittance else ""
    return (
        f"<Ntry>{name}{_amount(one.minor)}{reversal}<Sts>{state}</Sts>"
        f"<BookgDt><Dt>{one.on}</Dt></BookgDt>{servicer}<BkTxCd/>"
        f"<NtryDtls><TxDtls><Refs>{end_to_end}</Refs>{words}{back}</TxDtls></NtryDtls></Ntry>"
    )


def _amount(minor: int) -> str:
    side = "CRDT" if minor >= 0 else "DBIT"
    amount = Decimal(abs(minor)).scaleb(-2)
    return f'<Amt Ccy="EUR">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>'


def pain002(
    run: PaymentRun,
    payments: Iterable[tuple[str, str, str]] = (),
    *,
    group: str = "PART",
    name: str = "A1",
) -> bytes:
    """An answer: (reference, status, reason) for payments, or one status for all."""
    rows = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{reference}</OrgnlEndToEndId><TxSts>{status}</TxSts>"
        f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn><AddtlInf>Said the bank.</AddtlInf></StsRsnInf>"
        "</TxInfAndSts>"
        for reference, status, reason in payments
    )
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>'
        f"<GrpHdr><MsgId>{name}</MsgId><CreDtTm>2026-03-11T13:00:00+00:00</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{run.message_id}</OrgnlMsgId>"
        f"<OrgnlMsgNmId>{run.message}</OrgnlMsgNmId><GrpSts>{group}</GrpSts></OrgnlGrpInfAndSts>"
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{run.message_id}</OrgnlPmtInfId>{rows}"
        "</OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"
    ).encode()
