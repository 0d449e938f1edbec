"""Answers that are sent piece by piece, and end when their reader goes away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest
from django.core.signals import request_finished
from django.db import close_old_connections
from django.http import StreamingHttpResponse


def close(response: StreamingHttpResponse) -> None:
    """Close an answer as a server does, except for the connection: that is the test's own."""
    request_finished.disconnect(close_old_connections)
    try:
        response.close()
    finally:
        request_finished.connect(close_old_connections)


@contextmanager
def closed_at_the_end() -> Iterator[None]:
    """Close what was asked for within and not read to its end.

    Left alone, its cursors would be closed in the transaction of a later test, and abort it.
    """
    made, begin = [], StreamingHttpResponse.__init__

    def remembered(self: StreamingHttpResponse, *args: Any, **given: Any) -> None:
        begin(self, *args, **given)
        made.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StreamingHttpResponse, "__init__", remembered)
        try:
            yield
        finally:
            for response in made:
                with suppress(psycopg.Error):
                    close(response)
