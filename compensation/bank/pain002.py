"""A bank's answer to an order (pain.002): what it took and what it rejected, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element

from django.utils.translation import gettext as _

from compensation.bank import reading

REJECTED = frozenset({"RJCT", "CANC"})
# The payment is taken, wholly or after a change; whether it was booked, a statement says.
ACCEPTED = frozenset({"ACTC", "ACCP", "ACSP", "ACSC", "ACWC", "ACCC", "ACFC"})


@dataclass(frozen=True)
class Answer:
    """A status with its reason; `reference` is the EndToEndId, empty where it is for many."""

    reference: str
    status: str
    code: str
    words: str


@dataclass(frozen=True)
class Report:
    """What a bank said of one order. Later, narrower answers count before wider ones."""

    message_id: str
    original_message_id: str
    created_at: datetime | None
    # For everything in the order; for each group of payments; for each payment.
    group: Answer
    blocks: list[Answer]
    payments: list[Answer]

    def answers(self, references: list[str]) -> list[Answer]:
        """What was said of each payment of the order: by itself, else by its group or order."""
        wide = next(
            (one for one in [*self.blocks, self.group] if one.status in REJECTED | ACCEPTED), None
        )
        known = {one.reference for one in self.payments}
        found = [one for one in self.payments if one.reference in references]
        if wide is not None:
            found += [
                Answer(one, wide.status, wide.code, wide.words)
                for one in references
                if one not in known
            ]
        return found


def read(document: Element) -> Report:
    """The report in a parsed document; raises reading.UnreadableFile."""
    report = document.find("CstmrPmtStsRpt")
    original = report.find("OrgnlGrpInfAndSts") if report is not None else None
    if report is None or original is None:
        raise reading.UnreadableFile(_("The file is a pain.002 without a status report."))
    blocks = report.findall("OrgnlPmtInfAndSts")
    return Report(
        message_id=reading.text(report, "GrpHdr/MsgId"),
        original_message_id=reading.text(original, "OrgnlMsgId"),
        created_at=reading.moment(report, "GrpHdr/CreDtTm"),
        group=_answer(original, "GrpSts"),
        blocks=[_answer(block, "PmtInfSts") for block in blocks],
        payments=[
            _answer(one, "TxSts", "OrgnlEndToEndId")
            for block in blocks
            for one in block.findall("TxInfAndSts")
        ],
    )


def _answer(element: Element, status: str, reference: str = "") -> Answer:
    reason = element.find("StsRsnInf")
    extra = reason.findall("AddtlInf") if reason is not None else []
    return Answer(
        reference=reading.text(element, reference) if reference else "",
        status=reading.text(element, status),
        code=reading.first_text(reason, "Rsn/Cd", "Rsn/Prtry")[:35],
        words=" ".join((one.text or "").strip() for one in extra)[:500],
    )
