"""An export is recomputed to the unit by a program that shares no code with us."""

import json
import random
from contextlib import suppress
from datetime import timedelta

import pytest
from tallymark.replay import replay
from tallymark.replay.archive import NotAnExport

from compensation import billing, exports, statements, weights
from compensation.models import Account, Charge, PlatformFee
from compensation.statements import Period
from provenance import conflicts, ledger, licensing, usage
from tests import factories
from tests.cast import NOON
from tests.compensation.conftest import grant, more, texts, use
from tests.exports import digit_count, files_of, rewritten, save, with_digit_changed

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
MARCH, APRIL = "2026-03", "2026-04"
BASES = ["per_1k_records", "per_1m_tokens", "flat_per_run", "per_epoch"]


def offered(owner, name, asset, count=10, **rate):
    """A dataset of `count` records that any lab may use at this rate."""
    version = factories.version(factories.dataset(owner, name), texts(count, name))
    licence = licensing.offer_licence(
        dataset=version.dataset,
        name="Training",
        text="You may train.",
        purposes=["pretrain"],
        is_automatic=True,
        at=NOON,
    )
    licensing.set_rate(licence=licence, asset=asset.code, valid_from=NOON, at=NOON, **rate)
    return version


@pytest.fixture
def months(ada, ben, olga, lab, rich_lab, euro):
    """March and April: two owners, every kind of price, corrections, free use, and a conflict."""
    PlatformFee.objects.create(basis_points=333, valid_from=NOON - DAY)
    plan = licensing.PlanTerms(
        tiers=[(0, 2_000_003), (70, 1_000_001), (900, 500_000)], free_quantity=13, cap_units=950_000
    )
    versions = [
        offered(ada, f"set{at}", euro, basis=basis, price_units=1_000_007 + at)
        for at, basis in enumerate(BASES)
    ]
    versions += [offered(ada, f"tiers{at}", euro, basis=BASES[0], plan=plan) for at in range(2)]
    copied = offered(ben, "set0", euro, basis=BASES[0], price_units=999_999)
    shared = [(text, text) for text in texts(3, "set0")]
    conflict = conflicts.open_from_overlap(
        overlap=factories.overlap(copied, versions[0], shared), at=NOON
    )
    versions.append(copied)
    for version in versions:
        grant(lab, version)
    _use(lab, versions, ben, NOON)
    conflicts.claim(conflict=conflict, claimant=ada, statement="Ours.", at=NOON + 7 * DAY)
    conflicts.answer(conflict=conflict, party=ben, text="Yes.", agrees=True, at=NOON + 8 * DAY)
    assert weights.apply_resolutions(at=NOON + 8 * DAY)
    ledger.seal()
    return versions


def _use(lab, versions, ben, begin):
    """Four runs that go on from March into April and are billed each week; and use for nothing."""
    dice = random.Random(5)
    free = factories.version(factories.dataset(ben, "free"), texts(3, "free"))
    runs = [usage.start_run(lab=lab, purpose="pretrain", at=begin) for _ in range(4)]
    for step in range(1, 7):
        at = begin + (step - 1) * 7 * DAY + DAY
        for run in runs:
            for version in dice.sample([*versions, free], 6):
                more(run, version.pk, records=step * 40 + dice.randint(1, 40), sequence=step, at=at)
        billing.bill_batch(at=at + 2 * DAY)
    for run in runs:
        usage.end_run(run=run, at=begin + 50 * DAY)
    use(lab, "nobody/knows-this", records=3, at=begin + 50 * DAY)
    billing.bill_batch(at=begin + 50 * DAY + HOUR)


def exported(path, party=None, first=MARCH, last=None, at=NOON + 60 * DAY):
    scope = exports.scope_of(
        party=party, first=Period.month(first), last=Period.month(last or first), at=at
    )
    return save(exports.export(scope), path)


def test_the_whole_journal_is_recomputed_to_the_unit(months, tmp_path):
    outcome = replay(exported(tmp_path / "all.zip", last=APRIL))
    assert outcome.agrees, outcome.first
    assert outcome.counts["charges"] == Charge.objects.count() > 100


def test_each_month_of_each_party_is_recomputed_to_the_unit(months, ada, ben, lab, tmp_path):
    for party in (None, ada, ben, lab):
        for name in (MARCH, APRIL):
            outcome = replay(exported(tmp_path / "one.zip", party, name))
            assert outcome.agrees, (party, name, outcome.first)
            assert outcome.counts["charges"] > 0


def test_an_export_says_what_the_statement_says(months, ada, lab, euro, tmp_path):
    for party, make in ((ada, statements.owner_statement), (lab, statements.lab_statement)):
        said = make(party=party, asset=euro, period=Period.month(APRIL), at=NOON)
        files = files_of(exported(tmp_path / "one.zip", party, APRIL))
        rows = [json.loads(line) for line in files["accounts.jsonl"].splitlines()]
        owned = [row for row in rows if row["kind"] in ("lab", "owner", "owner_pending")]
        moved = sum(row["moved"].get(APRIL, 0) for row in owned)
        assert moved == said.closing_units - said.opening_units


def test_a_party_reads_nothing_of_others_in_its_export(months, ada, ben, lab, tmp_path):
    files = files_of(exported(tmp_path / "ben.zip", ben, last=APRIL))
    shown = b"".join(files.values()).decode()
    own = set(Account.objects.filter(party=ben).values_list("pk", flat=True))
    entries = [json.loads(line) for line in files["entries.jsonl"].splitlines()]
    assert {account for row in entries for account, _ in row["lines"]} <= own
    weights_shown = [json.loads(line) for line in files["weights.jsonl"].splitlines()]
    assert {account for row in weights_shown for account, _ in row["parts"]} <= own
    assert str(months[1].pk) not in shown
    labs = files_of(exported(tmp_path / "lab.zip", lab, last=APRIL))
    charges = [json.loads(line) for line in labs["charges.jsonl"].splitlines()]
    assert {row["running"] for row in charges} == {row["weights"] for row in charges} == {None}
    assert labs["weights.jsonl"] == labs["groups.jsonl"] == b""


def test_a_single_changed_digit_is_found_wherever_it_is(months, ada, lab, tmp_path):
    dice = random.Random(7)
    for party in (None, ada, lab):
        whole = exported(tmp_path / "whole.zip", party, last=APRIL)
        for name, data in files_of(whole).items():
            for _ in range(6 if digit_count(data) else 0):
                place, step = dice.randrange(digit_count(data)), dice.randint(1, 9)

                def change(file, content, name=name, place=place, step=step):
                    is_it = file == name
                    return with_digit_changed(content, place, step) if is_it else content

                changed = rewritten(whole, tmp_path / "changed.zip", change)
                try:
                    found = replay(changed)
                except NotAnExport:  # a digit of a name in the manifest
                    assert name == "manifest.json", (party, name, place, step)
                    continue
                assert not found.agrees, (party, name, place, step)
                assert any(one.file in (name, "manifest.json") for one in found.wrong_files)


# What the sums themselves give away, whatever digests a forger writes into the manifest.
MONEY = {
    "charges.jsonl": ("records", "amount", "total", "tally_quantity", "running", "revision"),
    "entries.jsonl": ("lines", "header", "header_digest", "lines_digest", "charges_digest", "hash"),
    "groups.jsonl": ("charges", "amount", "total_after", "digest"),
    "weights.jsonl": ("opening", "closing", "sum", "parts"),
    "accounts.jsonl": ("opening", "closing", "moved"),
    "tallies.jsonl": ("closing_quantity", "closing_units"),
    "rates.jsonl": ("price",),
    "plans.jsonl": ("prices",),
}


def test_forged_money_is_found_though_every_digest_fits(months, tmp_path):
    whole = exported(tmp_path / "whole.zip", first=APRIL)
    files = files_of(whole)
    missed = []
    for name, field in [(name, field) for name, fields in MONEY.items() for field in fields]:
        rows = files[name].splitlines(keepends=True)
        middle = len(rows) // 2
        turned = [*range(middle, len(rows)), *range(middle)]
        at = next(at for at in turned if _forged(rows[at], field) is not None)
        rows[at] = _forged(rows[at], field)

        def change(file, data, name=name, rows=rows):
            return b"".join(rows) if file == name else data

        outcome = replay(rewritten(whole, tmp_path / "forged.zip", change, cunning=True))
        assert not outcome.wrong_files
        if outcome.difference is None:
            missed.append((name, field))
    assert not missed


def _forged(row, field):
    """The row with a digit in the middle of a field changed; None where the field has none."""
    document = json.loads(row)
    # The parts of a version that nobody used in these months divided nothing.
    if field == "parts" and document["opening"] == document["closing"]:
        return None
    text = json.dumps(document[field], ensure_ascii=False).encode()
    count = digit_count(text)
    if not count or document[field] == 0:
        return None
    for at in (count // 2, *range(count)):
        with suppress(ValueError):  # no number begins with 0
            document[field] = json.loads(with_digit_changed(text, at))
            return json.dumps(document, ensure_ascii=False).encode() + b"\n"
    return None
