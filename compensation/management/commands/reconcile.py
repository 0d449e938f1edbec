"""Holds the journal against banks and chain, and says what differs."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from compensation import reconciliation
from compensation.reconciliation.finding import say


class Command(BaseCommand):
    """`reconcile`: exits with 1 where anything differs that nobody has explained."""

    help = "Compare the journal with the chain and with what banks say; list what differs."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whether programs read it."""
        parser.add_argument("--json", action="store_true", help="write the outcome as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Compare, say what was found, and end with the verdict."""
        outcome = reconciliation.reconcile(at=timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps(reconciliation.as_json(outcome), indent=2))
        else:
            self._say(outcome)
        if not outcome.is_clean:
            sys.exit(1)

    def _say(self, outcome: reconciliation.Outcome) -> None:
        for one in outcome.differences:
            age = reconciliation.age_days(one, outcome.compared_at)
            state = "explained" if one.explained_at else "unexplained"
            self.stdout.write(
                f"[{one.side}, {state}, {age} days, {say(int(one.amount_units), one.asset)}] "
                f"{one.words} {one.advice}"
            )
        for words in outcome.unread:
            self.stderr.write(f"Not compared: {words}")
        count = len(outcome.unexplained)
        self.stdout.write(
            f"{count} unexplained differences." if count else "Nothing differs unexplained."
        )
