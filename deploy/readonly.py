"""The service that only reads: while the chain knows more than our books, nothing is written.

That is so after a backup was restored, and when somebody else used one of our keys, until an
operator has run `./run manage reconcile_restore`. Pages and the API go on to show what is there;
workers pause, and find the same work again afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from celery import Task
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from provenance import chains, evm, outbox, restore, signers
from provenance.api.problems import MEDIA_TYPE, problem

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# Signing in and out is no fact, and operators must be able to.
ALWAYS_OPEN = ("/accounts/", "/admin/logout/")
RETRY_AFTER_SECONDS = 60
# What goes on: asking what became of what was sent, and looking whether we may write again.
GO_ON = frozenset({"provenance.tasks.look_at_chain", "provenance.tasks.send_outbox"})
# What makes new things for the chain, and so waits until this process has looked at it once.
LOOK_FIRST = frozenset(
    {
        "provenance.tasks.anchor_events",
        "compensation.tasks.build_epochs",
        "compensation.tasks.advance_payouts",
    }
)

log = structlog.get_logger(__name__)


def is_read_only() -> bool:
    """Whether the last look at a chain found it ahead of our books."""
    return outbox.chain_is_ahead()


class ReadOnlyMiddleware:
    """Refuses what would write, with what to do, while the service only reads."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Go on with what reads; 503 for the rest."""
        writes = request.method not in SAFE_METHODS and not request.path.startswith(ALWAYS_OPEN)
        if writes and is_read_only():
            return _refused(request)
        return self.get_response(request)


def read_only(_: HttpRequest) -> dict[str, Callable[[], bool]]:
    """For templates: `read_only` asks once a page, and only where a page wants to know."""
    return {"read_only": is_read_only}


class PausingTask(Task):  # type: ignore[type-arg]
    """A task that does nothing while the service only reads."""

    has_looked = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Work, unless nothing may be written."""
        if self.name not in GO_ON and (self._is_blind() or is_read_only()):
            log.warning("task_paused", task=self.name, reason="the chain is ahead of our books")
            return None
        return super().__call__(*args, **kwargs)

    def _is_blind(self) -> bool:
        """Whether this task needs a look at the chain that this process has not had yet.

        A backup may have been restored while nothing ran: the first look is the start's.
        """
        if PausingTask.has_looked or self.name not in LOOK_FIRST:
            return False
        try:
            for chain_id in chains.ids():
                restore.look(chain_id=chain_id, at=timezone.now())
        except (evm.ChainUnreachable, evm.WrongChain, signers.KeyMissing) as reason:
            log.warning("looking at the chain waits", error=str(reason))
            return True
        PausingTask.has_looked = True
        return False


def _refused(request: HttpRequest) -> HttpResponse:
    """503: a problem under /api/, a page elsewhere."""
    if request.path.startswith("/api/"):
        ahead = outbox.ChainIsAhead
        body = problem(503, ahead.code, (ahead.__doc__ or "").strip(), hint=ahead.hint)
        answer: HttpResponse = JsonResponse(body, status=503, content_type=MEDIA_TYPE)
    else:
        answer = render(request, "503.html", status=503)
    answer.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return answer
