"""The mutants of the faults change code that is there; `./run faults` shows they are caught."""

from __future__ import annotations

from contextlib import ExitStack

from tests.faults.chain import mutants as of_the_sender
from tests.faults.money.mutants import MUTANTS


def test_every_mutant_changes_the_code_as_it_is_now(as_table_owner):
    for changes in MUTANTS.values():
        with as_table_owner.transaction(force_rollback=True), ExitStack() as stack:
            for change in changes:
                stack.enter_context(change.applied(as_table_owner))


def test_every_mutant_of_the_sender_changes_the_code_as_it_is_now():
    for changes in of_the_sender.MUTANTS.values():
        with ExitStack() as stack:
            for change in changes:
                stack.enter_context(change.applied(None))
