"""Asks the rules, and gives back what they find."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from provenance.models import Review
from provenance.signals.rules import LATELY, LOOKED_AT, RULES


@dataclass(frozen=True)
class Finding:
    """What one rule found in one use; `measure` counts reports or records."""

    rule: Review.Rule
    usage_id: UUID | None
    run_id: UUID
    subject: str
    purpose: str
    version_id: UUID | None
    other_version_id: UUID | None
    measure: int
    evidence: dict[str, Any]

    @property
    def key(self) -> tuple[UUID, str, str, str]:
        """What one review is kept for."""
        return self.run_id, self.subject, self.purpose, self.rule


def find(*, since: datetime, at: datetime) -> list[Finding]:
    """What the rules find in what was reported, or ended, since `since`."""
    given = {"since": since, "at": at, **settings.SIGNALS.model_dump()}
    found = []
    with connection.cursor() as cursor:
        for rule, query in RULES.items():
            cursor.execute(LATELY + query, given)
            for *found_in, measure, evidence in cursor.fetchall():
                usage, run, subject, purpose, version, other = found_in
                figures = _plain(evidence)
                found.append(
                    Finding(rule, usage, run, subject, purpose, version, other, measure, figures)
                )
    return found


def looked_at(*, since: datetime) -> tuple[set[UUID], set[UUID]]:
    """The usages among which `find` looks, and the runs that may lack a use they planned."""
    with connection.cursor() as cursor:
        cursor.execute(LATELY + LOOKED_AT, {"since": since})
        rows = cursor.fetchall()
    return {usage for usage, _ in rows if usage}, {run for _, run in rows}


def _plain(evidence: Any) -> dict[str, Any]:
    """Evidence as JSON; psycopg gives jsonb parsed or as text, as the connection is set."""
    found: dict[str, Any] = json.loads(evidence) if isinstance(evidence, str) else evidence
    return found
