"""A small client of the API for scripts and notebooks: standard library, no retries, clear errors.

Every method returns the API's JSON as it came; docs/openapi.yaml says what stands in it.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tallymark.sending import Multipart
from tallymark.signing import Signing

Json = dict[str, Any]
DEFAULT_URL = "http://127.0.0.1:8000"


class Problem(Exception):
    """The service said no: RFC 9457 problem details, with what to do next in `hint`."""

    def __init__(self, status: int, body: Json) -> None:
        self.status = status
        self.code = str(body.get("code", "http_error"))
        self.detail = str(body.get("detail", f"The service answered {status}."))
        self.hint = str(body.get("hint", ""))
        self.errors: list[Json] = body.get("errors") or []
        super().__init__(f"{self.detail} [{self.code}] {self.hint}".strip())


class Unreachable(Exception):
    """The service did not answer, or answered with something that is not the API's."""


class WorkFailed(Exception):
    """What was sent could not be worked on; the message says why and what to do."""

    def __init__(self, work: Json) -> None:
        self.work = work
        words = (work.get("error_detail"), work.get("error_hint"))
        super().__init__(" ".join(word for word in words if word) or "It failed.")


class UploadFailed(WorkFailed):
    """An upload ended without a registered version."""


class ScreeningFailed(WorkFailed):
    """A candidate file could not be screened."""


class Client:
    """Speaks for the party of one key; `url` and `key` default to TALLYMARK_URL and _KEY.

    With a `signing_key` (TALLYMARK_SIGNING_KEY, or the file TALLYMARK_SIGNING_KEY_FILE) reports of
    use are signed.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        signing_key: str | None = None,
        timeout_seconds: float = 30.0,
    ) -> None:
        self.url = (url or os.environ.get("TALLYMARK_URL") or DEFAULT_URL).rstrip("/")
        self.key = key or os.environ.get("TALLYMARK_KEY", "")
        self.timeout_seconds = timeout_seconds
        self.signing = Signing(self.call, self.url, signing_key)

    # ---- the wire ----

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Json | None = None,
        idempotency_key: str = "",
    ) -> Any:
        """One request below /api/v1; raises Problem or Unreachable."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        return self._send(method, self._address(path, query), data, headers)

    def pages(self, path: str, **query: Any) -> Iterator[Json]:
        """Every row of a list, page after page."""
        address: str | None = self._address(path, query)
        while address:
            page = self._send("GET", address, None, {})
            yield from page["results"]
            address = page["next"]

    def _address(self, path: str, query: Json | None) -> str:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        text = urllib.parse.urlencode(given, doseq=True)
        return f"{self.url}/api/v1/{path}" + (f"?{text}" if text else "")

    def _send(self, method: str, address: str, data: Any, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(address, data=data, method=method, headers=headers)
        request.add_header("Accept", "application/json")
        if self.key:
            request.add_header("Authorization", f"Bearer {self.key}")
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_seconds) as answer:
                return _parsed(answer.read(), answer.headers.get_content_type())
        except urllib.error.HTTPError as error:
            with error:
                raise Problem(error.code, _problem(error.read())) from None
        except (OSError, ValueError) as error:
            raise Unreachable(f"{self.url} did not answer as Tallymark does: {error}") from error

    # ---- owners: register, license ----

    def me(self) -> Json:
        """The party that the key speaks for, and what it may do."""
        return self._dict("GET", "parties/me")

    def register_dataset(
        self,
        name: str,
        title: str = "",
        *,
        description: str = "",
        kind: str = "text",
        is_fingerprint_only: bool = False,
    ) -> Json:
        """Register a dataset; `name` is short: letters, digits, dashes."""
        body = {
            "name": name,
            "title": title or name,
            "description": description,
            "kind": kind,
            "is_fingerprint_only": is_fingerprint_only,
        }
        return self._dict("POST", "datasets", body)

    def upload(
        self,
        dataset: str,
        path: str | Path | None = None,
        *,
        url: str = "",
        mode: str = "full",
        text_column: str = "",
        key_column: str = "",
    ) -> Json:
        """Send a version of the dataset (by id) from a file or a URL; returns the upload."""
        fields = {
            name: value
            for name, value in (
                ("url", url), ("mode", mode), ("text_column", text_column),
                ("key_column", key_column),
            )
            if value
        }  # fmt: skip
        if path is None:
            return self._dict("POST", f"datasets/{dataset}/versions", fields)
        return self.send_file(f"datasets/{dataset}/versions", Path(path), fields)

    def send_file(self, path: str, file: Path, fields: dict[str, str]) -> Json:
        """POST a file with fields, streamed: memory does not grow with the file."""
        parts = Multipart(file, fields)
        headers = {"Content-Type": parts.content_type, "Content-Length": str(parts.length)}
        answer: Json = self._send("POST", self._address(path, None), parts, headers)
        return answer

    def wait(
        self,
        upload: str,
        *,
        timeout_seconds: float = 600.0,
        on_progress: Callable[[Json], None] | None = None,
    ) -> Json:
        """Wait until an upload is sealed, or ready to be confirmed; raises UploadFailed."""
        until = time.monotonic() + timeout_seconds
        while True:
            found = self._dict("GET", f"uploads/{upload}")
            if on_progress is not None:
                on_progress(found)
            if found["state"] == "failed":
                raise UploadFailed(found)
            if found["state"] in ("sealed", "ready"):
                return found
            if time.monotonic() >= until:
                raise TimeoutError(f"Upload {upload} is still {found['state']}.")
            time.sleep(0.3)

    def seal(self, version: str) -> Json:
        """Confirm a delta that was shown."""
        return self._dict("POST", f"versions/{version}/seal")

    def offer_licence(self, dataset: str, name: str, purposes: list[str], **terms: Any) -> Json:
        """Offer terms; `terms`: spdx, text, is_automatic, shows_model_name, term_days."""
        body = {"dataset": dataset, "name": name, "purposes": purposes, **terms}
        return self._dict("POST", "licences", body)

    def set_rate(self, licence: str, *, basis: str, price_units: int, asset: str) -> Json:
        """Set a licence's price from now on, in whole units of the asset."""
        body = {"basis": basis, "price_units": price_units, "asset": asset}
        return self._dict("POST", f"licences/{licence}/rates", body)

    def give_grant(self, grant: str) -> Json:
        """Give what a lab asked for."""
        return self._dict("POST", f"grants/{grant}/give")

    # ---- owners: overlaps and conflicts ----

    def overlaps(self, **query: Any) -> list[Json]:
        """Overlaps that touch the party's data; `dataset` or `version` narrows them."""
        return list(self.pages("overlaps", **query))

    def matches(self, overlap: str, **query: Any) -> Iterator[Json]:
        """The matching pairs of an overlap, with their evidence."""
        return self.pages(f"overlaps/{overlap}/matches", **query)

    def conflicts(self, **query: Any) -> list[Json]:
        """Conflicts that the party is a side of."""
        return list(self.pages("conflicts", **query))

    def act_in_conflict(self, conflict: str, verb: str, **words: Any) -> Json:
        """`verb`: claim, answer, reply, appeal; for operators admit, reject, decide."""
        return self._dict("POST", f"conflicts/{conflict}/{verb}", words)

    # ---- labs: find, use, report ----

    def catalogue(self, **query: Any) -> Iterator[Json]:
        """Datasets that may be licensed, with their licences and rates."""
        return self.pages("catalogue", **query)

    def request_grant(self, licence: str, purposes: list[str], message: str = "") -> Json:
        """Ask for a grant; asking accepts the licence's terms as they stand."""
        body = {"licence": licence, "purposes": purposes, "message": message}
        return self._dict("POST", "grants", body)

    def screen(self, records: list[Json], purpose: str, *, passages: bool = False) -> Json:
        """May I use these? Up to 100 records, each with `text`, `code`, `row` or `image`."""
        body = {"purpose": purpose, "records": records, "passages": passages}
        return self._dict("POST", "screenings", body)

    def screen_file(self, path: str | Path, purpose: str, **choices: Any) -> Json:
        """Send a candidate file; `choices`: kind, text_column, watch_days; the screening."""
        fields = {name: str(value) for name, value in choices.items() if value}
        return self.send_file("screenings/files", Path(path), {"purpose": purpose, **fields})

    def wait_for_report(
        self,
        screening: str,
        *,
        timeout_seconds: float = 86_400.0,
        on_progress: Callable[[Json], None] | None = None,
    ) -> Json:
        """Wait until a candidate file is screened; its signed report. Raises ScreeningFailed."""
        until = time.monotonic() + timeout_seconds
        while True:
            found = self._dict("GET", f"screenings/files/{screening}")
            if on_progress is not None:
                on_progress(found)
            if found["state"] == "failed":
                raise ScreeningFailed(found)
            if found["state"] == "done":
                return self._dict("GET", f"screenings/files/{screening}/report")
            if time.monotonic() >= until:
                raise TimeoutError(f"Screening {screening} is still {found['stage']}.")
            time.sleep(0.3)

    def start_run(
        self,
        purpose: str,
        name: str = "",
        *,
        run_id: str | None = None,
        parent: str | None = None,
        started_at: str | None = None,
        quote: str | None = None,
        plan: Sequence[Mapping[str, Any]] = (),
        project: str = "",
        cap_units: int | None = None,
        cap_asset: str = "",
    ) -> Json:
        """Start a run, or join the one with this id; a `quote` (its id) prices it if still valid.

        `plan` says what it will use: each with `subject`, and `records` in all or `epochs` or both.
        `project` names whose budget pays; the cap is what the run may cost in an asset before its
        usage waits. Problem 402 (`no_funds`, `budget_spent`) says what to do.
        """
        body: dict[str, Any] = {
            "purpose": purpose,
            "name": name,
            "run_id": run_id or str(uuid.uuid4()),
            "parent": parent,
            "started_at": started_at,
        }
        if quote:
            body["quote"] = quote
        if plan:
            body["plan"] = [dict(one) for one in plan]
        if project:
            body["project"] = project
        if cap_units is not None:
            body |= {"cap_units": cap_units, "cap_asset": cap_asset}
        return self._dict("POST", "runs", body)

    def raise_cap(self, run: str, *, cap_units: int, cap_asset: str) -> Json:
        """Let a run cost more than was accepted; what waits for that is charged then."""
        return self._dict(
            "POST", f"runs/{run}/cap", {"cap_units": cap_units, "cap_asset": cap_asset}
        )

    def estimate(self, purpose: str, items: Sequence[Mapping[str, Any]], **terms: Any) -> Json:
        """What a run would cost if it started now, and in `refusal` why it may not.

        `items`: each `subject`, and `records` or `epochs`; `terms`: project, cap_units, cap_asset.
        """
        body = {"purpose": purpose, "items": [dict(one) for one in items], **terms}
        return self._dict("POST", "estimates", body)

    def quote(self, purpose: str, items: Sequence[Mapping[str, Any]]) -> Json:
        """An exact price that binds for its validity; a run names it when it starts.

        `items`: each `subject`, and `records`, `tokens`, `epochs` or `fetches`; `licence`.
        """
        body = {"purpose": purpose, "items": [dict(one) for one in items]}
        return self._dict("POST", "quotes", body)

    def subscribe(self, bundle: str) -> Json:
        """Subscribe to a bundle; its flat price is owed for each month that this touches."""
        return self._dict("POST", "subscriptions", {"bundle": bundle})

    def unsubscribe(self, subscription: str) -> Json:
        """End a subscription with the month."""
        return self._dict("POST", f"subscriptions/{subscription}/end")

    def report_revenue(self, model: str, period: str, *, asset: str, revenue_units: int) -> Json:
        """Say what a model earned in a month (2026-03); another amount later is a correction."""
        body = {"model": model, "period": period, "asset": asset, "revenue_units": revenue_units}
        return self._dict("POST", "revenue-reports", body)

    def end_run(self, run: str, ended_at: str | None = None) -> Json:
        """End a run."""
        return self._dict("PATCH", f"runs/{run}", {"state": "ended", "ended_at": ended_at})

    def heartbeat(self, run: str) -> Json:
        """Say that a run still goes on."""
        return self._dict("POST", f"runs/{run}/heartbeat")

    def report_usage(
        self,
        run: str,
        subject: str,
        *,
        sequence: int,
        records: int = 0,
        tokens: int = 0,
        epochs: int = 0,
        fetches: int = 0,
        stream: str = "main",
        used_at: str | None = None,
        purpose: str = "",
    ) -> Json:
        """Report what the run has used of a version so far: counters are cumulative.

        It is signed where there is a signing key; then name the `purpose`, the run's own too.
        """
        report = {
            "run": run,
            "subject": subject,
            **({"purpose": purpose} if purpose else {}),
            "stream": stream,
            "sequence": sequence,
            "records": records,
            "tokens": tokens,
            "epochs": epochs,
            "fetches": fetches,
            "used_at": used_at or now(),
        }
        return self._dict("POST", "usages", self.signing.signed(report))

    def report_usages(self, reports: list[Json]) -> list[Json]:
        """Report several counters at once, signed where there is a key; they are taken together."""
        signed = [self.signing.signed(report) for report in reports]
        answer: list[Json] = self.call("POST", "usages", signed)
        return answer

    def name_records(
        self,
        run: str,
        subject: str,
        counts: Mapping[str, int],
        *,
        purpose: str = "",
        stream: str = "main",
    ) -> Json:
        """Name the records of `subject` that a stream has read, by key, with how often so far.

        Owners see by it what their single works earned; no counter and no charge follows from it.
        """
        body = {
            "run": run,
            "subject": subject,
            **({"purpose": purpose} if purpose else {}),
            "stream": stream,
            "records": [{"key": key, "count": count} for key, count in counts.items()],
        }
        return self._dict("POST", "usages/records", body)

    def register_model(self, name: str, version: str = "1", **facts: Any) -> Json:
        """Register a model; `facts`: is_published, run."""
        return self._dict("POST", "models", {"name": name, "version": version, **facts})

    # ---- everybody: look, prove ----

    def lineage(self, node_id: str, **query: Any) -> Json:
        """The graph around a node, e.g. `dataset:acme:articles`; depth, direction, as_of, limit."""
        return self._dict("GET", "lineage", query={"nodeId": node_id, **query})

    def ingredients(self, model: str) -> Json:
        """What went into a model: owners, licences, shares, grants and gaps."""
        return self._dict("GET", f"models/{model}/ingredients")

    def events(self, **query: Any) -> Iterator[Json]:
        """Sealed events of the ledger that concern the party."""
        return self.pages("events", **query)

    def proof(self, sequence: int) -> Json:
        """The proof file of an event."""
        return self._dict("GET", f"events/{sequence}/proof")

    # ---- money ----

    def statements(self, period: str, **query: Any) -> list[Json]:
        """The statements of a month (2026-01): `role` is `owner` or `lab`, `asset` its code."""
        answer = self._dict("GET", f"statements/{period}", query=query)
        found: list[Json] = answer["statements"]
        return found

    def explanation(self, charge: int) -> Json:
        """Why a charge is what it is: reports, rate, decision, division, entry, payout."""
        return self._dict("GET", f"charges/{charge}/explanation")

    def balances(self) -> list[Json]:
        """What the party's accounts hold."""
        return list(self.pages("accounts"))

    def charges(self, **query: Any) -> Iterator[Json]:
        """What usages cost, or earned."""
        return self.pages("charges", **query)

    def pools(self, **query: Any) -> Iterator[Json]:
        """What is shared out of subscriptions, minimums and reported revenue."""
        return self.pages("pools", **query)

    def claim_payout(self, asset: str) -> Json:
        """Have the service send what the party may claim."""
        return self._dict("POST", "payouts/claim", {"asset": asset})

    def payout_proof(self, payout: str) -> Json:
        """The proof of a payment, from a use of data to the money on the chain."""
        return self._dict("GET", f"payouts/{payout}/proof")

    def _dict(self, method: str, path: str, body: Any = None, query: Json | None = None) -> Json:
        answer: Json = self.call(method, path, body, query=query)
        return answer


def now() -> str:
    """This moment as the API takes it."""
    return datetime.now(UTC).isoformat()


def _parsed(content: bytes, content_type: str) -> Any:
    """A JSON answer as Python has it; nothing for an empty one; other types as text."""
    if not content:
        return None
    if content_type.endswith("json"):
        return json.loads(content)
    raise ValueError(f"its answer is {content_type}, not JSON")


def _problem(content: bytes) -> Json:
    """The problem details in an error's body, if there are any."""
    try:
        body = json.loads(content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
