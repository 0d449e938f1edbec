"""Ways to get money wrong, each of which the harness must notice.

A mutant lives in a copy of the world's database and in forked workers, never in the shipped files.
One that no longer fits the code it changes is an error, not a mutant that was caught.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack

import psycopg

from tests.faults.money.campaign import BRIEF, Campaign, Steps, Tally
from tests.faults.money.changes import Change, InPython, InSql, InTables
from tests.faults.money.place import Place
from tests.faults.money.world import World

DATABASE = "mutant"
ROUNDS = 6
# Some faults need two workers at the same place at the same time: chance gets as many tries.
TRIES = 3
COMMIT = "__import__('django.db').db.connection.connection.commit()"


# With this alone nothing is wrong, and so nothing may be found: two workers that both think it is
# their turn just meet more surely.
SLOW = (InSql("compensation_append", " FOR UPDATE;", " FOR UPDATE; PERFORM pg_sleep(0.01);"),)

MUTANTS: dict[str, tuple[Change, ...]] = {
    "no key: a charge may be made twice": (
        InTables("ALTER TABLE compensation_charge DROP CONSTRAINT charge_is_made_once"),
        InSql(
            "compensation_bill_price",
            "AND (l.revision IS NULL OR l.revision < s.revision)",
            "",
        ),
    ),
    "the floor is taken of each batch": (
        InSql(
            "compensation_bill_lines",
            "div(v.after * w.weight, v.weight_sum) - div(v.before * w.weight, v.weight_sum)",
            "div((v.after - v.before) * w.weight, v.weight_sum)",
        ),
    ),
    "the rest of a unit is lost": (
        InSql("compensation_bill_lines", "-sum(n.amount) FROM net n", "0 FROM net n"),
    ),
    "no sum trigger": (InSql("compensation_take_lines", "wrong.total <> 0 OR ", ""),),
    "the rest of a unit is lost, and no sum trigger": (
        InSql("compensation_bill_lines", "-sum(n.amount) FROM net n", "0 FROM net n"),
        InSql("compensation_take_lines", "wrong.total <> 0 OR ", ""),
    ),
    "wrong isolation: nobody waits for the journal": (
        InSql("compensation_lock_journal", " FOR UPDATE", ""),
        InSql(
            "compensation_bill",
            "PERFORM 1 FROM compensation_journalhead WHERE id = 1 FOR UPDATE;",
            "",
        ),
        InSql(
            "compensation_post",
            "PERFORM 1 FROM compensation_journalhead WHERE id = 1 FOR UPDATE;",
            "",
        ),
        InSql("compensation_append", " FOR UPDATE;", "; PERFORM pg_sleep(0.01);"),
    ),
    "wrong isolation: a worker sees the moment at which it began": (
        InPython(
            "compensation.billing",
            "bill_batch",
            "    batch = new_id()\n",
            "    batch = new_id()\n    with connection.cursor() as cursor:\n"
            "        cursor.execute('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ')\n",
        ),
    ),
    "a batch is committed before the ledger knows": (
        InPython(
            "compensation.billing",
            "bill_stage",
            "    entries = list(",
            f"    {COMMIT}\n    entries = list(",
        ),
    ),
    "a deposit is committed before the ledger knows": (
        InPython(
            "compensation.deposits",
            "_record_received",
            "    entry = made.entry\n",
            f"    entry = made.entry\n    {COMMIT}\n",
        ),
    ),
    "a restatement is committed in two": (
        InPython(
            "compensation.restatements",
            "_record",
            "    party, other = ",
            f"    {COMMIT}\n    party, other = ",
        ),
    ),
    "a payout is committed before its tree": (
        InPython(
            "compensation.payouts",
            "build_epoch",
            "    store(epoch, leaves)\n",
            f"    {COMMIT}\n    store(epoch, leaves)\n",
        ),
    ),
    "a correction charges everything again": (
        InSql("compensation_bill_price", "- l.total_units)::bigint", "- 0)::bigint"),
    ),
    "what was corrected is never charged": (
        InPython(
            "compensation.billing",
            "_STAGE",
            "JOIN provenance_run r ON r.id = u.run_id",
            "JOIN provenance_run r ON r.id = u.run_id AND u.revision = 1",
        ),
    ),
    "the total of a weight version is forgotten": (
        InSql(
            "compensation_bill_lines",
            "SET total_units = v.total_units + g.amount::bigint",
            "SET total_units = g.amount::bigint",
        ),
    ),
    "the head of the journal stays": (
        InSql(
            "compensation_append",
            "UPDATE compensation_journalhead SET number = head.number, hash = v_hash WHERE id = 1;",
            "",
        ),
    ),
    "a lab spends what it does not have": (
        InSql("compensation_bill_price", "WHERE p.units > a.spendable", "WHERE false"),
    ),
    "a deposit counts each time it is said": (
        InPython(
            "compensation.deposits", "deposit", "    if earlier is not None:", "    if False:"
        ),
    ),
    "credits mature before their time": (
        InPython("compensation.holdback", "mature_credits", ", matures_at__lte=at", ""),
    ),
    "a resolution moves nothing that was credited": (
        InPython(
            "compensation.weights",
            "restate",
            "deltas = _deltas(row, now, step.after)",
            "deltas = {}",
        ),
    ),
}


def attempt(
    changes: Sequence[Change], place: Place, world: World, seed: int, known: Steps
) -> Tally:
    """A brief campaign against changed code; workers die mostly at steps that are not `known`."""
    with place.copy(DATABASE, with_chain=False), ExitStack() as stack:
        with psycopg.connect(place.server.dsn("owner", DATABASE), autocommit=True) as owner:
            for change in changes:
                stack.enter_context(change.applied(owner))
        campaign = Campaign(place, world, seed, BRIEF, known)
        return campaign.run(kills=sys.maxsize, rounds=ROUNDS, say=lambda _: None)


def caught(name: str, place: Place, world: World, seed: int, known: Steps) -> str:
    """What gave a mutant away, in the harness's words; empty if nothing did."""
    for seed_of_try in range(seed, seed + TRIES):
        tally = attempt(MUTANTS[name], place, world, seed_of_try, known)
        if tally.violations:
            return tally.violations[0]
    return ""
