"""How long each page takes: server time through the shipped views, on a service that is full.

`./run bench web [--records N] [--usages N] [--conflicts N] [--rounds N]`. Owners, labs and a
made-up year of use (tests/bench/year.py) are put into a PostgreSQL of its own set by set; one owner
has all the records, and conflicts with another. Then every list that a role's navigation names, and
the page of a row of each, are asked for in this process, `--rounds` times each.

`p95_seconds` is printed for each page, `p95_seconds_worst` over all, and the number of queries of
the page that asks most, which may not grow with the data.
"""

from __future__ import annotations

import argparse
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from tests.bench.figures import Figures

DATASETS = 100
RECORDS = """
INSERT INTO provenance_record (dataset_id, added_number, ordinal, key, digest, token_count,
                               byte_count)
SELECT d.id, 1, 1000 + n, 'k' || n, sha256((d.id::text || n)::bytea), 200, 1200
  FROM unnest(%(datasets)s::uuid[]) AS d(id), generate_series(1, %(each)s) AS n
"""
OVERLAPS = """
INSERT INTO provenance_overlap (id, later_id, earlier_id, detector, exact_count, near_count,
  contained_count, semantic_count, matching_count, possible_count, estimate_count, interval_low,
  interval_high, false_accusation_rate, details, found_at)
SELECT md5('o' || l.id || e.id)::uuid, l.id, e.id, 'bench/1', 3, 2, 1, 0, 6, 1, 6, 5, 7, 0.001,
       '{}', %(at)s
  FROM unnest(%(later)s::uuid[]) AS l(id), unnest(%(earlier)s::uuid[]) AS e(id)
 ORDER BY md5(l.id::text || e.id) LIMIT %(count)s
"""
CONFLICTS = """
INSERT INTO provenance_conflict (id, later_id, earlier_id, overlap_id, state, opened_at,
                                 deadline_at, round)
SELECT md5('c' || o.id)::uuid, l.dataset_id, e.dataset_id, o.id, 'open', %(at)s,
       %(at)s + interval '14 days', 1
  FROM provenance_overlap o JOIN provenance_datasetversion l ON l.id = o.later_id
  JOIN provenance_datasetversion e ON e.id = o.earlier_id WHERE o.detector = 'bench/1'
"""


def main() -> int:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(prog="./run bench web", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--usages", type=int, default=100_000)
    parser.add_argument("--conflicts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    from deploy.embedded import postgres

    with tempfile.TemporaryDirectory() as folder, postgres.temporary() as server:
        os.environ |= {
            "DATABASE_URL": server.url("app"),
            "DATABASE_OWNER_URL": server.url("owner"),
            "TALLYMARK_DATA": folder,
            "DJANGO_SETTINGS_MODULE": "deploy.settings",
            "TALLYMARK_LOG_LEVEL": "ERROR",
            # Nothing answers there, and at once.
            "CHAIN_RPC_URL": "http://127.0.0.1:9",
        }
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connections
        from django.test.utils import setup_test_environment

        setup_test_environment()
        logging.disable(logging.ERROR)
        call_command("migrate", database="owner", verbosity=0)
        measure(given)
        connections.close_all()
    return 0


def measure(given: argparse.Namespace) -> None:
    """Print what each page of each role takes."""
    figures = Figures("web")
    begun = time.perf_counter()
    people = fill(given)
    took = time.perf_counter() - begun
    name = f"{given.records} records, {given.usages} usages, {given.conflicts} conflicts"
    figures.add(set=name, figure="seeding_seconds", value=took, unit="s")
    worst, most, count, failed = (0.0, ""), (0, ""), 0, 0
    for role, person in people.items():
        for page, status, seconds, queries in pages(person, given.rounds):
            label = f"{role} {page}"
            failed += status != 200
            figures.add(
                set=label, figure="p95_seconds", value=seconds, unit="s", note=f"{queries} queries"
            )
            worst, most = max(worst, (seconds, label)), max(most, (queries, label))
            count += 1
    for figure, (value, label) in (("p95_seconds_worst", worst), ("queries_worst", most)):
        figures.add(set=name, figure=figure, value=value, note=label)
    figures.add(set=name, figure="pages", value=count)
    figures.add(set=name, figure="pages_failed", value=failed)
    figures.table()


def fill(given: argparse.Namespace) -> dict[str, Any]:
    """Everything, set by set; a person for each role."""
    from django.db import connections

    from provenance.models import Party
    from tests import factories
    from tests.bench import year as made_up

    year = made_up.prepare()
    made_up.fill(year, given.usages, given.usages // 5)
    later = [version(year.owners[1], place) for place in range(DATASETS)]
    earlier = [version(year.owners[0], place) for place in range(DATASETS)]
    operations = Party.objects.filter(is_operator=True).first() or factories.party(
        "Operations", is_operator=True
    )
    facts = {
        "datasets": [one.dataset_id for one in earlier],
        "each": max(1, given.records // DATASETS),
        "later": [one.pk for one in later],
        "earlier": [one.pk for one in earlier],
        "count": min(given.conflicts, DATASETS**2),
        "at": made_up.FIRST + 300 * made_up.DAY,
    }
    with connections["owner"].cursor() as cursor:
        for statement in (RECORDS, OVERLAPS, CONFLICTS, "ANALYZE"):
            cursor.execute(statement, facts if statement != "ANALYZE" else None)
    return {
        "owner": factories.user("owner@bench.example", party=year.owners[0]),
        "lab": factories.user("lab@bench.example", party=year.labs[0]),
        "operator": factories.user("operator@bench.example", party=operations),
    }


def version(owner: Any, place: int) -> Any:
    """A sealed version of a dataset of its own."""
    from tests import factories

    texts = [f"{owner} {place} {number} and a few more words" for number in range(3)]
    return factories.version(factories.dataset(owner, f"bench{place}"), texts)


def pages(person: Any, rounds: int) -> Iterator[tuple[str, int, float, int]]:
    """(page, status, p95 in seconds, queries) of what this person's navigation leads to."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(raise_request_exception=True)
    client.force_login(person)
    client.post("/admin/reason/", {"reason": "the benchmark"})
    for shape, path in addresses(client, person).items():
        with CaptureQueriesContext(
            connection,
        ) as asked:
            answer = client.get(path)
        answer.close()
        # The log of queries is emptied when the next request begins.
        queries = len(asked)
        took = sorted(timed(client, path) for _ in range(rounds))
        yield shape, answer.status_code, took[min(int(0.95 * rounds), rounds - 1)], queries


def timed(client: Any, path: str) -> float:
    """Seconds that the server takes for a page."""
    from django.core.cache import cache

    cache.clear()
    begun = time.perf_counter()
    client.get(path).close()
    return time.perf_counter() - begun


def addresses(client: Any, person: Any) -> dict[str, str]:
    """The lists that this person sees, the page of a row of each, and what stands by themselves."""
    from provenance import parties
    from provenance.admin.base import ReadOnlyFacts, roles_of
    from provenance.admin.site import site

    viewer = parties.viewer_of_user(person, None)
    assert viewer is not None, "whoever signs in here belongs to a party"
    found = {"home": "/admin/"}
    for group in client.get("/admin/").context["sidebar_navigation"]:
        found |= {entry["link"]: entry["link"] for entry in group["items"]}
    for admin in site._registry.values():
        assert isinstance(admin, ReadOnlyFacts)
        if not admin.shown_to & roles_of(viewer):
            continue
        listed = admin.url("changelist")
        found[listed] = listed
        row = admin.scope(viewer).order_by("-pk").first()
        if row is not None:
            found[f"{listed}ROW/"] = admin.url("change", row.pk)
    return found


if __name__ == "__main__":
    raise SystemExit(main())
