"""What a policy does, did and would have done, in words: lines of its page and of its sheet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from compensation import policies
from compensation.models import Policy, PolicyAct
from compensation.policies import DryRun, Matter
from provenance.admin.looking import note_list
from provenance.documents.sheets import as_csv
from provenance.models import CaseKind, Party

Target = Policy.Target
MOST_ROWS = 20_000
# Whose page a subject's key opens; a claim stands on the page of its conflict.
_PAGES = {
    CaseKind.CONFLICT: "provenance_conflict_change",
    CaseKind.APPEAL: "provenance_conflict_change",
    CaseKind.REVIEW: "provenance_review_change",
    CaseKind.DIFFERENCE: "compensation_difference_change",
    "use": "provenance_usage_change",
}


def effect_of(rule: Policy) -> str:
    """What it does where its condition holds, in words."""
    if rule.target == Target.USE:
        return _("raises a review")
    parts = []
    if rule.assign_to is not None:
        parts.append(_("gives it to %(person)s") % {"person": rule.assign_to.email})
    if rule.due_hours:
        said = ngettext("due within %(n)s hour", "due within %(n)s hours", rule.due_hours)
        parts.append(said % {"n": rule.due_hours})
    return ", ".join(parts)


def sheet_of(request: HttpRequest, rule: Policy) -> str:
    """What a draft would have done, or what a policy did, as CSV."""
    head = [_("Kind"), _("Key"), _("Parties"), _("Since"), _("Acts"), _("What it does")]
    return as_csv([*head, *policies.FACTS[rule.target]], _cells(request, rule))


def _cells(request: HttpRequest, rule: Policy) -> Iterator[list[object]]:
    names = list(policies.FACTS[rule.target])
    if rule.begun_at is None:
        tried = policies.dry_run(rule, at=timezone.now())
        note_looks(request, named_by(tried))
        effect = effect_of(rule)
        for one in tried.would:
            facts = one.matter.facts
            since, at = one.matter.began_at.isoformat(), one.at.isoformat()
            yield [one.matter.kind, one.matter.key, " ".join(facts["parties"]), since, at, effect,
                   *(_cell(facts.get(name, "")) for name in names)]  # fmt: skip
        return
    acts = list(rule.acts.select_related("assigned_to").order_by("-acted_at")[:MOST_ROWS])
    note_looks(request, (one for act in acts for one in act.facts["parties"]))
    for act in acts:
        yield [act.kind, act.subject, " ".join(act.facts["parties"]), "", act.acted_at.isoformat(),
               _did(act), *(_cell(act.facts.get(name, "")) for name in names)]  # fmt: skip


def _cell(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, list) else value


def named_by(tried: DryRun) -> Iterator[str]:
    """Whom the lines of a dry run concern."""
    return (name for one in tried.would for name in one.matter.parties)


def note_looks(request: HttpRequest, namespaces: Iterable[str]) -> None:
    """What is listed names parties: each of them can read that it was looked at."""
    named = Party.objects.filter(namespace__in=set(namespaces))
    note_list(request, "policies", named)


def line(matter: Matter, at: datetime) -> dict[str, Any]:
    """A matter on which it would have acted."""
    return {
        "kind": _kind(matter.kind),
        "url": _url(matter.kind, matter.key),
        "parties": ", ".join(matter.parties),
        "since": matter.began_at,
        "at": at,
    }


def act_line(act: PolicyAct) -> dict[str, Any]:
    """Something that it did."""
    return {
        "kind": _kind(act.kind),
        "url": _url(act.kind, act.subject),
        "parties": ", ".join(act.facts["parties"]),
        "at": act.acted_at,
        "did": _did(act),
    }


def _did(act: PolicyAct) -> str:
    """What was done; where a colleague had the case already, nothing of it."""
    parts = []
    if act.review_id is not None:
        parts.append(_("raised a review"))
    if act.assigned_to is not None:
        parts.append(_("given to %(person)s") % {"person": act.assigned_to.email})
    if act.due_at is not None:
        parts.append(_("due by %(moment)s") % {"moment": f"{act.due_at:%Y-%m-%d %H:%M} UTC"})
    return ", ".join(parts) or _("nothing: somebody had it, or it could not be given")


def _kind(kind: str) -> str | Promise:
    return CaseKind(kind).label if kind in CaseKind.values else _("Report of use")


def _url(kind: str, key: str) -> str:
    page = _PAGES.get(kind)
    return reverse(f"admin:{page}", args=[key]) if page else ""


def literal(value: object) -> str:
    """An example as CEL writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)
