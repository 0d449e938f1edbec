"""The sheets of a month: for each its columns, and the query whose rows have them.

Of a column that ends in `_units` the one before it, without that ending, says the same as a decimal
number: the queries give units and the scale, `files` writes both. `month` is a parameter, `until`
where it ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOMENT = """to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


@dataclass(frozen=True)
class Sheet:
    """One file: its columns, its query (the last column is the asset's scale), what it holds.

    `sums` names a column whose sum, by asset, stands in the manifest.
    """

    name: str
    columns: tuple[str, ...]
    query: str
    sums: str = ""

    @property
    def amounts(self) -> frozenset[int]:
        """Which columns of the query are units."""
        return frozenset(n for n, name in enumerate(self.columns) if name.endswith("_units"))

    @property
    def header(self) -> tuple[str, ...]:
        """The columns as they are written: an amount before its units."""
        found: list[str] = []
        for name in self.columns:
            found += [name.removesuffix("_units"), name] if name.endswith("_units") else [name]
        return tuple(found)


def _at(column: str) -> str:
    return MOMENT.format(column)


ACCOUNTS: Final = Sheet(
    "accounts.csv",
    ("account", "kind", "party", "party_name", "conflict", "asset", "decimals"),
    """SELECT a.id, a.kind, a.party_id, p.name, a.conflict_id, s.code, s.scale, s.scale
  FROM compensation_account a JOIN compensation_asset s ON s.id = a.asset_id
  LEFT JOIN provenance_party p ON p.id = a.party_id ORDER BY a.id""",
)
TRIAL_BALANCE: Final = Sheet(
    "trial_balance.csv",
    ("account", "kind", "party_name", "asset", "opening_units", "debit_units", "credit_units",
     "closing_units"),
    """SELECT a.id, a.kind, p.name, s.code, m.opening, m.debit, m.credit,
       m.opening + m.credit - m.debit, s.scale
  FROM (SELECT l.account_id,
               coalesce(sum(l.amount_units) FILTER (WHERE e.period_id IS NULL
                 OR e.period_id < %(month)s), 0) AS opening,
               coalesce(-sum(l.amount_units) FILTER (WHERE e.period_id = %(month)s
                 AND l.amount_units < 0), 0) AS debit,
               coalesce(sum(l.amount_units) FILTER (WHERE e.period_id = %(month)s
                 AND l.amount_units > 0), 0) AS credit
          FROM compensation_line l JOIN compensation_entry e ON e.id = l.entry_id
         WHERE e.id <= %(last)s AND (e.period_id IS NULL OR e.period_id <= %(month)s)
         GROUP BY l.account_id) m
  JOIN compensation_account a ON a.id = m.account_id
  JOIN compensation_asset s ON s.id = a.asset_id
  LEFT JOIN provenance_party p ON p.id = a.party_id ORDER BY a.id""",
    sums="closing_units",
)  # fmt: skip
ENTRIES: Final = Sheet(
    "entries.csv",
    ("entry", "kind", "asset", "effective_at", "posted_at", "reference", "reverses", "reason",
     "lines", "hash"),
    f"""SELECT e.id, e.kind, s.code, {_at("e.effective_at")}, {_at("e.posted_at")},
       e.idempotency_key, e.reverses_id, e.facts_text, e.line_count, encode(e.hash, 'hex'), s.scale
  FROM compensation_entry e JOIN compensation_asset s ON s.id = e.asset_id
 WHERE e.period_id = %(month)s AND e.id <= %(last)s ORDER BY e.id""",  # noqa: S608  (constants only)
)  # fmt: skip
LINES: Final = Sheet(
    "lines.csv",
    ("entry", "account", "asset", "amount_units"),
    """SELECT l.entry_id, l.account_id, s.code, l.amount_units, s.scale
  FROM compensation_line l JOIN compensation_entry e ON e.id = l.entry_id
  JOIN compensation_asset s ON s.id = e.asset_id
 WHERE e.period_id = %(month)s AND e.id <= %(last)s ORDER BY l.entry_id, l.account_id""",
    sums="amount_units",
)
_DOCUMENTS = f"""SELECT i.number, i.kind, i.side, i.party_id, p.name, s.code,
       {_at("i.issued_at")}, c.number, i.category, i.basis_points, i.net_units, i.tax_units,
       i.net_units + i.tax_units, i.settled_units,
       i.net_units + i.tax_units - i.settled_units + i.rounding_units, s.scale
  FROM compensation_invoice i JOIN provenance_party p ON p.id = i.party_id
  JOIN compensation_asset s ON s.id = i.asset_id
  LEFT JOIN compensation_invoice c ON c.id = i.corrects_id
 WHERE i.period_id = %(month)s AND i.kind IN ({{kinds}}) ORDER BY i.series, i.sequence"""  # noqa: S608  (constants only)
_DOCUMENT_COLUMNS = (
    "number", "type_code", "side", "party", "party_name", "asset", "issued_at", "corrects",
    "vat_category", "vat_basis_points", "net_units", "vat_units", "gross_units", "settled_units",
    "due_units",
)  # fmt: skip
INVOICES: Final = Sheet(
    "invoices.csv", _DOCUMENT_COLUMNS, _DOCUMENTS.format(kinds="'380', '389'"), sums="net_units"
)
CREDIT_NOTES: Final = Sheet(
    "credit_notes.csv", _DOCUMENT_COLUMNS, _DOCUMENTS.format(kinds="'381', '261'"), sums="net_units"
)
DEPOSITS: Final = Sheet(
    "deposits.csv",
    ("entry", "reference", "party", "party_name", "asset", "received_at", "amount_units"),
    f"""SELECT d.entry_id, d.reference, d.lab_id, p.name, s.code, {_at("d.received_at")},
       d.amount_units, s.scale
  FROM compensation_deposit d JOIN compensation_entry e ON e.id = d.entry_id
  JOIN provenance_party p ON p.id = d.lab_id JOIN compensation_asset s ON s.id = d.asset_id
 WHERE e.period_id = %(month)s AND e.id <= %(last)s ORDER BY d.entry_id""",  # noqa: S608  (constants only)
    sums="amount_units",
)
PAYOUTS: Final = Sheet(
    "payouts.csv",
    ("entry", "step", "party", "party_name", "asset", "effective_at", "reference",
     "amount_units"),
    f"""SELECT e.id, e.kind, a.party_id, p.name, s.code, {_at("e.effective_at")},
       e.idempotency_key, l.amount_units, s.scale
  FROM compensation_line l JOIN compensation_entry e ON e.id = l.entry_id
  JOIN compensation_account a ON a.id = l.account_id AND a.kind = 'payouts_in_flight'
  JOIN compensation_asset s ON s.id = a.asset_id
  LEFT JOIN provenance_party p ON p.id = a.party_id
 WHERE e.period_id = %(month)s AND e.id <= %(last)s ORDER BY e.id, a.id""",  # noqa: S608  (constants only)
    sums="amount_units",
)  # fmt: skip
FEES: Final = Sheet(
    "fees.csv",
    ("entry", "account_kind", "entry_kind", "asset", "effective_at", "amount_units"),
    f"""SELECT e.id, a.kind, e.kind, s.code, {_at("e.effective_at")}, l.amount_units, s.scale
  FROM compensation_line l JOIN compensation_entry e ON e.id = l.entry_id
  JOIN compensation_account a ON a.id = l.account_id
   AND a.kind IN ('platform_fee', 'bank_charges', 'rounding')
  JOIN compensation_asset s ON s.id = a.asset_id
 WHERE e.period_id = %(month)s AND e.id <= %(last)s ORDER BY e.id, a.id""",  # noqa: S608  (constants only)
    sums="amount_units",
)
# What an account holds came with its last lines on that side: the oldest of them is its age.
OPEN_ITEMS: Final = Sheet(
    "open_items.csv",
    ("account", "kind", "party", "party_name", "asset", "since", "age_days", "amount_units"),
    f"""WITH placed AS (
  SELECT l.account_id, l.amount_units, e.effective_at,
         sum(l.amount_units) OVER (PARTITION BY l.account_id) AS balance,
         sum(abs(l.amount_units)) OVER (PARTITION BY l.account_id, sign(l.amount_units)
           ORDER BY e.effective_at DESC, e.id DESC) AS so_far
    FROM compensation_line l JOIN compensation_entry e ON e.id = l.entry_id
    JOIN compensation_account a ON a.id = l.account_id
     AND a.kind IN ('lab', 'lab_debt', 'owner', 'owner_pending', 'awaited', 'receivable',
                    'escrow', 'payouts_in_flight')
   WHERE e.id <= %(last)s AND (e.period_id IS NULL OR e.period_id <= %(month)s)
), aged AS (
  SELECT account_id, balance,
         max(effective_at) FILTER (WHERE so_far >= abs(balance)) AS since
    FROM placed WHERE balance <> 0 AND sign(amount_units) = sign(balance)
   GROUP BY account_id, balance
)
SELECT a.id, a.kind, a.party_id, p.name, s.code, {_at("g.since")},
       greatest(0, floor(extract(epoch FROM %(until)s - g.since) / 86400))::bigint,
       g.balance, s.scale
  FROM aged g JOIN compensation_account a ON a.id = g.account_id
  JOIN compensation_asset s ON s.id = a.asset_id
  LEFT JOIN provenance_party p ON p.id = a.party_id ORDER BY a.id""",  # noqa: S608  (constants only)
    sums="amount_units",
)
DIFFERENCES: Final = Sheet(
    "differences.csv",
    ("difference", "side", "asset", "since", "age_days", "words", "advice", "explained_at",
     "explanation", "amount_units"),
    f"""SELECT d.id, d.side, s.code, {_at("d.since")},
       greatest(0, floor(extract(epoch FROM %(at)s - d.since) / 86400))::bigint, d.words,
       d.advice, {_at("d.explained_at")},
       CASE WHEN d.explained_at IS NOT NULL THEN (SELECT x.note FROM compensation_explanation x
         WHERE x.difference_id = d.id ORDER BY x.id DESC LIMIT 1) END,
       d.amount_units, s.scale
  FROM compensation_difference d JOIN compensation_asset s ON s.id = d.asset_id
 WHERE d.first_seen_at < %(at)s AND (d.gone_at IS NULL OR d.gone_at >= %(until)s)
   AND d.since < %(until)s
 ORDER BY d.since, d.id""",  # noqa: S608  (constants only)
)  # fmt: skip
SHEETS: Final = (
    TRIAL_BALANCE, ENTRIES, LINES, ACCOUNTS, INVOICES, CREDIT_NOTES, PAYOUTS, DEPOSITS, FEES,
    OPEN_ITEMS, DIFFERENCES,
)  # fmt: skip
