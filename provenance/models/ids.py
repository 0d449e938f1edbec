"""Ids of rows that come in great numbers."""

from __future__ import annotations

import uuid

from uuid_utils.compat import uuid7


def new_id() -> uuid.UUID:
    """A UUID of version 7 (RFC 9562): later ones are greater, so that indexes grow at their end."""
    made: uuid.UUID = uuid7()
    return made
