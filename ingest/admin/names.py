"""Names of fields and things that pages show as they are in the code: marked for `./run words`."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _noop

NAMES = (
    _noop("failed"),
    _noop("waiting"),
    _noop("done"),
    _noop("sealing"),
    _noop("reading"),
    _noop("fetching"),
    _noop("comparing"),
    _noop("semantic"),
    _noop("contained"),
    _noop("near"),
    _noop("exact"),
    _noop("Description"),
    _noop("File"),
    _noop("Kind"),
    _noop("Title"),
    _noop("created at"),
    _noop("finished at"),
    _noop("purpose"),
    _noop("screening"),
    _noop("state"),
    _noop("upload"),
    _noop("uploads"),
    _noop("screenings"),
)
