"""Text to tokens: words, and for scripts without spaces, overlapping runs of letters.

A word is a run of letters, digits, marks and underscores. Runs of ideographs, kana and the like
are cut into overlapping pairs, those of Thai, Lao, Khmer and Myanmar into threes; a letter keeps
the marks that follow it. A run too short for that is one token.
"""

import re
from collections.abc import Iterator

from . import tables
from .normal import normalise

# Over the letters of `tables.Classes`, one for each character of the text.
RUN = re.compile("[wm]+|(?:pm*)+|(?:tm*)+")
UNIT = re.compile("[pt]m*")
UNIT_COUNTS = {"p": 2, "t": 3}


def tokens(text: str) -> list[str]:
    """The tokens of `text`, folded, in order."""
    return list(_tokens(normalise(text)))


def _tokens(canonical: str) -> Iterator[str]:
    classes = canonical.translate(tables.classes())
    for run in RUN.finditer(classes):
        count = UNIT_COUNTS.get(run[0][0])
        if count is None:
            yield canonical[run.start() : run.end()]
            continue
        starts = [unit.start() for unit in UNIT.finditer(classes, run.start(), run.end())]
        ends = [*starts[1:], run.end()]
        count = min(count, len(starts))
        for first, end in zip(starts, ends[count - 1 :], strict=False):
            yield canonical[first:end]
