"""What the service needs and does, looked at one by one: is it well, and what to do if not.

/readyz, the operators' page and whatever else shows how the service is ask here. Each check says
in words what it found, raises `Attention` where somebody should look, and anything else where it
does not work.
"""

from __future__ import annotations

import json
import shutil
import time
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import TypeVar

import structlog
from django.conf import settings
from django.db import connection
from django.db.models import Min
from django.utils import timezone, translation
from django.utils.dateformat import format as dated
from django.utils.functional import Promise
from django.utils.translation import get_language, pgettext, pgettext_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from ingest.models import Upload
from ingest.models.index import Tombstone
from provenance import chains, gas, outbox
from provenance.mailing import LONGEST_RETRY
from provenance.models import Event, Letter, OutboxTransaction

log = structlog.get_logger(__name__)
Name = TypeVar("Name")
Answer = TypeVar("Answer")
# Of all that is asked elsewhere: the page takes less than a second, and so must a probe of
# readiness.
PATIENCE_SECONDS, CHAIN_TIMEOUT_SECONDS = 0.8, 0.6
BROKER_TIMEOUT_SECONDS = 2
# An event that has waited longer than this was forgotten by the sealer.
SEALER_PATIENCE_SECONDS = 60
# Work that nobody has begun after this long has no worker.
WORKER_PATIENCE = timedelta(minutes=3)
SENDING_PATIENCE = timedelta(minutes=15)
# Withdrawn records leave the index within 7 days (DESIGN, decision 4).
CLEANING_PATIENCE = timedelta(days=7)
LEAST_FREE, NO_FREE = 0.10, 0.03
BACKUP_PATIENCE = timedelta(hours=26)


class State(StrEnum):
    """How something is."""

    WELL = "well"
    ATTENTION = "attention"
    BROKEN = "broken"
    UNKNOWN = "unknown"


class Attention(Exception):
    """It works, and somebody should look."""


class Broken(Exception):
    """It does not work; the words say what, without secrets."""


class Unknown(Exception):
    """Nobody told us how to look."""


@dataclass(frozen=True)
class Check:
    """One thing that is looked at. Without a `needed` one the service is not ready."""

    name: str
    title: Promise
    what: Promise
    look: Callable[[], str]
    # What an operator does when it is not well.
    advice: Promise
    is_needed: bool = False
    # Another machine is asked, and not through Django's database: it may be done beside the rest.
    is_elsewhere: bool = False


@dataclass(frozen=True)
class Finding:
    """What a look at one thing found; `detail` names no secrets, and is for operators."""

    check: Check
    state: State
    detail: str

    @property
    def is_well(self) -> bool:
        """Whether it works, perhaps with something to look at."""
        return self.state in (State.WELL, State.ATTENTION)


def findings(*, needed_only: bool = False) -> list[Finding]:
    """Look at everything, or at what readiness needs; whatever is raised is the finding."""
    chosen = [check for check in CHECKS if check.is_needed or not needed_only]
    here: dict[str, Finding] = {}

    def look_here() -> None:
        here.update({check.name: find(check) for check in chosen if not check.is_elsewhere})

    asked = {check.name: partial(find, check) for check in chosen if check.is_elsewhere}
    answers = _side_by_side(asked, PATIENCE_SECONDS, meanwhile=look_here)
    return [here.get(check.name) or _found(check, answers[check.name]) for check in chosen]


def _found(check: Check, answer: Future[Finding]) -> Finding:
    if answer.done():
        return answer.result()
    log.warning("not_ready", check=check.name, error="no answer")
    return Finding(check, State.BROKEN, _no_answer(PATIENCE_SECONDS))


def _side_by_side(
    asked: Mapping[Name, Callable[[], Answer]],
    seconds: float,
    *,
    meanwhile: Callable[[], None] = lambda: None,
) -> dict[Name, Future[Answer]]:
    """Each question's answer, all asked at once; whoever is silent past the time is left behind."""
    until = time.monotonic() + seconds
    pool = ThreadPoolExecutor(len(asked) or 1)
    answers = {name: pool.submit(_said_in, get_language(), ask) for name, ask in asked.items()}
    meanwhile()
    wait(answers.values(), timeout=max(0.0, until - time.monotonic()))
    pool.shutdown(wait=False, cancel_futures=True)
    return answers


def find(check: Check) -> Finding:
    """Look at one thing."""
    try:
        return Finding(check, State.WELL, check.look())
    except Attention as words:
        return Finding(check, State.ATTENTION, str(words))
    except Unknown as words:
        return Finding(check, State.UNKNOWN, str(words))
    except Broken as words:
        log.warning("not_ready", check=check.name, error=str(words))
        return Finding(check, State.BROKEN, str(words))
    except Exception as failure:
        log.warning("not_ready", check=check.name, error=str(failure))
        return Finding(check, State.BROKEN, type(failure).__name__)


def sealer_age_seconds(now: datetime) -> float:
    """How long the oldest unsealed event has waited; 0 where none waits."""
    oldest = Event.objects.filter(sequence=None).aggregate(at=Min("recorded_at"))["at"]
    return max(0.0, (now - oldest).total_seconds()) if oldest else 0.0


def _said_in(language: str | None, ask: Callable[[], Answer]) -> Answer:
    """The answer in the reader's language, which a thread does not know by itself."""
    with translation.override(language):
        return ask()


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        (version,) = cursor.fetchone()
    return f"PostgreSQL {version}"


def _broker() -> str:
    from deploy.celery import app  # Celery's start-up is of no use to the other addresses

    with app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT_SECONDS)
        return str(broker.transport_cls)


def _chains() -> str:
    asked = {one: partial(_chain, one) for one in chains.ids()}
    answers = _side_by_side(asked, CHAIN_TIMEOUT_SECONDS)
    words = "; ".join(_told(one, answer) for one, answer in answers.items())
    if any(not answer.done() or answer.exception() for answer in answers.values()):
        raise Broken(words)
    return words


def _told(chain_id: int, answer: Future[str]) -> str:
    """What a chain's node answered, or how it did not."""
    if not answer.done():
        why = _no_answer(CHAIN_TIMEOUT_SECONDS)
    elif (failure := answer.exception()) is None:
        return answer.result()
    else:
        why = str(failure) if isinstance(failure, Broken) else type(failure).__name__
    silent = _("the node of chain %(number)d does not answer as it should: %(why)s")
    return silent % {"number": chain_id, "why": why}


def _no_answer(seconds: float) -> str:
    return _("no answer within %(seconds)s s") % {"seconds": seconds}


def _chain(chain_id: int) -> str:
    call = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    request = urllib.request.Request(  # noqa: S310  (the operator's own setting)
        chains.settings_of(chain_id).rpc_url,
        data=json.dumps(call).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=CHAIN_TIMEOUT_SECONDS) as answer:  # noqa: S310
        served = int(json.load(answer)["result"], 16)
    if served != chain_id:
        raise Broken(_("it serves chain %(served)d") % {"served": served})
    return _("chain %(number)s") % {"number": chain_id}


def _gas() -> str:
    if warnings := gas.warnings():
        raise Attention("; ".join(warnings))
    return _("it lasts")


def _sealer() -> str:
    age = sealer_age_seconds(timezone.now())
    if age > SEALER_PATIENCE_SECONDS:
        raise TimeoutError(f"the oldest unsealed event has waited {age:.0f} s")
    return _("%(seconds)d s behind") % {"seconds": age}


def _outbox() -> str:
    if outbox.chain_is_ahead():
        raise Attention(_("an account is stopped: the chain and our books differ"))
    rows = OutboxTransaction.objects.exclude(state__in=OutboxTransaction.OVER)
    stuck = rows.filter(state=OutboxTransaction.State.REVIEW).count()
    if stuck:
        raise Attention(_("%(count)d transactions reverted and wait for a person")
                        % {"count": stuck})  # fmt: skip
    oldest = rows.aggregate(at=Min("created_at"))["at"]
    if oldest and timezone.now() - oldest > SENDING_PATIENCE:
        raise Attention(_("a transaction is on its way since %(moment)s")
                        % {"moment": _moment(oldest)})  # fmt: skip
    return _("%(count)d transactions on their way") % {"count": rows.count()}


def _workers() -> str:
    now = timezone.now()
    waits = Upload.objects.waiting(now).filter(retry_at__lte=now - WORKER_PATIENCE)
    oldest = waits.aggregate(at=Min("retry_at"))["at"]
    if oldest:
        raise TimeoutError(f"an upload waits for a worker since {_moment(oldest)}")
    return _("no upload waits for a worker")


def _mail() -> str:
    waiting = Letter.objects.due(timezone.now() + LONGEST_RETRY).exclude(attempt_count=0)
    failing = waiting.exclude(error="").order_by("-send_at")
    if last := failing.first():
        count = {"count": failing.count(), "words": last.error}
        raise Attention(_("%(count)d letters wait; the last failed with: %(words)s") % count)
    late = Letter.objects.due(timezone.now() - SENDING_PATIENCE).count()
    if late:
        raise Attention(_("%(count)d letters wait for a worker") % {"count": late})
    return _("letters go out")


def _index() -> str:
    late = Tombstone.objects.filter(forgotten_at__lte=timezone.now() - CLEANING_PATIENCE).count()
    if late:
        raise Attention(
            _("%(count)d withdrawn records are in the index for more than 7 days") % {"count": late}
        )
    return _("withdrawn records leave it in time")


def _disk() -> str:
    usage = shutil.disk_usage(settings.DATA_FOLDER)
    free = usage.free / usage.total
    words = _("%(percent)d %% free, %(size)d GB") % {
        "percent": free * 100,
        "size": usage.free // 10**9,
    }
    if free < NO_FREE:
        raise OSError(words)
    if free < LEAST_FREE:
        raise Attention(words)
    return words


def _backup() -> str:
    mark = settings.BACKUP_MARK
    if mark is None:
        raise Unknown(_("nobody told the service where its back-ups leave their mark"))
    last = datetime.fromtimestamp(mark.stat().st_mtime, UTC)
    words = _("the last ended on %(moment)s") % {"moment": _moment(last)}
    if timezone.now() - last > BACKUP_PATIENCE:
        raise Attention(words)
    return words


def _moment(at: datetime) -> str:
    return dated(at.astimezone(UTC), pgettext("date and time", "j M Y, H:i")) + " UTC"


CHECKS: tuple[Check, ...] = (
    Check(
        "database",
        _lazy("Database"),
        _lazy("Every fact and every entry is kept here."),
        _database,
        _lazy(
            "Look at its log and its disk. Embedded, `./run up` starts it; another one is named "
            "by DATABASE_URL. Nothing is lost while it is away: labs' clients keep their reports."
        ),
        is_needed=True,
    ),
    Check(
        "broker",
        _lazy("Broker"),
        _lazy("Tells workers that there is work; what it loses is found again."),
        _broker,
        _lazy(
            "Start it, or correct BROKER_URL. Until then work is found late by the sweepers, "
            "never twice and never lost."
        ),
        is_needed=True,
        is_elsewhere=True,
    ),
    Check(
        "chain",
        _lazy("Chain"),
        _lazy("Carries the ledger's roots and payouts."),
        _chains,
        _lazy(
            "Start the node, or correct CHAIN_RPC_URL or TALLYMARK_MORE_CHAINS. Anchors and "
            "payouts wait meanwhile, and go out by themselves."
        ),
        is_needed=True,
        is_elsewhere=True,
    ),
    Check(
        "gas",
        _lazy("Gas"),
        _lazy("Pays for what the sending accounts put on the chain."),
        _gas,
        _lazy(
            "Fund the accounts that run out of it: `./run manage chain_accounts` names them, and "
            "for how many transactions it lasts."
        ),
    ),
    Check(
        "sealer",
        pgettext_lazy("a task of the service", "Sealing"),
        _lazy("Numbers and chains events, every second; a worker and the clock do it."),
        _sealer,
        _lazy(
            "No worker works, or the clock (beat) stands still: look at their logs and start "
            "them again. Events are kept, and numbered when they are back."
        ),
        is_needed=True,
    ),
    Check(
        "outbox",
        _lazy("Outbox"),
        _lazy("What the chain must carry, in order, by one writer for each account."),
        _outbox,
        _lazy(
            "A transaction that reverted waits in the queue: find the cause, then send it again "
            "from its page. If an account is stopped, run `./run manage reconcile_restore`."
        ),
    ),
    Check(
        "workers",
        _lazy("Workers for uploads"),
        _lazy("Read files, compare and embed them."),
        _workers,
        _lazy(
            "Start a worker for the queue `ingest`, or look in its log why it stopped. Uploads "
            "go on where they were."
        ),
    ),
    Check(
        "mail",
        _lazy("Mail"),
        _lazy("Tells people of claims, deadlines, payouts and keys."),
        _mail,
        _lazy(
            "Correct TALLYMARK_EMAIL_URL or TALLYMARK_EMAIL_FROM, or see to the mail server; a "
            "worker of the queue `ingest` mails. Letters are tried again for days, and "
            "everything stands among the notices."
        ),
    ),
    Check(
        "index",
        _lazy("Index"),
        _lazy("Finds what was registered before; withdrawn records leave it within 7 days."),
        _index,
        _lazy("The task `tend_index` of the queue `ingest` does not get through: see its log."),
    ),
    Check(
        "disk",
        _lazy("Disk of the data folder"),
        _lazy("Uploads, the index' copies and, embedded, the database."),
        _disk,
        _lazy(
            "Make room before it is full: a larger volume, a smaller "
            "TALLYMARK_INDEX_CACHE_BYTES, or old uploads moved away."
        ),
    ),
    Check(
        "backup",
        _lazy("Back-ups"),
        _lazy("What a lost machine is restored from."),
        _backup,
        _lazy(
            "Let your back-up of the database touch a file when it has ended, and name it by "
            "TALLYMARK_BACKUP_MARK. What can be rebuilt without one: docs/recovery.md."
        ),
    ),
)
