"""Texts as every bank in Europe takes them.

Source: EPC217-08, the SEPA Latin character set: letters, digits, space and / - ? : ( ) . , ' +
No field begins or ends with a slash, and none holds two in a row.
"""

from __future__ import annotations

import re

from text_unidecode import unidecode

_REFUSED = re.compile(r"[^a-zA-Z0-9/\-?:().,'+ ]")
# As people of these languages would write it themselves; the rest loses its marks.
_SPELLED = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "&": "+"}
)


def latin(text: str, limit: int) -> str:
    """`text` in the SEPA Latin set, at most `limit` characters; empty where nothing is left."""
    plain = _REFUSED.sub(" ", unidecode(text.translate(_SPELLED)))
    plain = re.sub(r"/{2,}", "/", re.sub(r"\s+", " ", plain)).strip(" /")
    return plain[:limit].strip(" /")
