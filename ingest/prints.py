"""What a record is compared by: its digest, and what each kernel made of its content.

A part is kept by the name of its scheme, which names the version of its kernel too: parts of
unlike schemes never compare, and a record that lacks one is merely not compared by it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.copying import copy_rows
from ingest.fingerprint import code, digest, grams, image, image_parts, minhash, rows, scheme
from ingest.models import Fingerprint, ImagePrint, Sketch

UINT32 = np.dtype("<u4")
MINHASH = "minhash"
"""128 little-endian uint32: the signature of a text that has tokens."""
WORDS = "words5"
"""The shingle hashes of a text, ascending, each once: little-endian uint32."""
PDQ = scheme.IMAGE_HASH
"""The eight hashes of an image, 32 bytes each, and one byte of quality."""
PARTS = image_parts.SCHEME
"""The local features of an image, as `image_parts.packed` lays them out."""

NAME = f"{scheme.SCHEME}/{scheme.SEED}"
FINGERPRINT = ("record_id", "scheme", "hash_version", "signature", "shingles")

TEXT, TABLE, CODE, IMAGE = "text", "table", "code", "image"


@dataclass(frozen=True)
class Prints:
    """One record as comparisons see it."""

    digest: bytes
    token_count: int
    parts: Mapping[str, bytes]

    def numbers(self, name: str) -> NDArray[np.uint32]:
        """A part that is a sequence of uint32; empty where the record has none."""
        return np.frombuffer(self.parts.get(name, b""), UINT32)


class Sketcher(NamedTuple):
    """A kernel that makes a part from texts: those of a batch with their keys, b"" for none."""

    scheme: str
    make: Callable[[Sequence[str], Sequence[str]], list[bytes]]


SKETCHERS: dict[str, tuple[Sketcher, ...]] = {
    TEXT: (
        Sketcher(grams.SKETCH, grams.sketches),
        Sketcher(code.SCHEME, code.sketches_of_sources),
    ),
    TABLE: (Sketcher(rows.SCHEME, rows.sketches),),
    CODE: (Sketcher(code.SCHEME, code.sketches),),
    IMAGE: (),
}
"""By kind of dataset: what is made of its texts beside signature and shingles."""


def of_texts(texts: Sequence[str], names: Sequence[str], *, kind: str = TEXT) -> list[Prints]:
    """The prints of texts, of canonical table rows or of source files; `names` are their keys."""
    digests, made = digest.digests(texts), minhash.prints(texts)
    parts: list[dict[str, bytes]] = [
        {MINHASH: signature.tobytes(), WORDS: shingles.tobytes()} if len(shingles) else {}
        for signature, shingles in zip(
            made.signatures.astype(UINT32), made.shingle_sets(), strict=True
        )
    ]
    for sketcher in SKETCHERS[kind]:
        for own, sketch in zip(parts, sketcher.make(texts, names), strict=True):
            if sketch:
                own[sketcher.scheme] = sketch
    return [
        Prints(one, int(count), own)
        for one, count, own in zip(digests, made.token_counts, parts, strict=True)
    ]


def of_image(data: bytes) -> Prints:
    """The prints of one image file. Raises image.ImageRefused."""
    pixels = np.asarray(image.canonical(data), np.uint8)
    made = image.of_pixels(pixels)
    parts = {PDQ: made.hashes.tobytes() + bytes([made.quality])}
    if sketch := image_parts.sketch(pixels):
        parts[PARTS] = sketch
    return Prints(made.digest, 0, parts)


def load(record_ids: Collection[int]) -> dict[int, dict[str, bytes]]:
    """The stored parts of records, by record and scheme; only comparable ones."""
    found: dict[int, dict[str, bytes]] = defaultdict(dict)
    texts = Fingerprint.objects.filter(
        record_id__in=record_ids, hash_version=scheme.HASH_VERSION
    ).exclude(signature=b"")
    for pk, signature, shingles in texts.values_list("record_id", "signature", "shingles"):
        found[pk] = {MINHASH: bytes(signature)}
        if shingles:  # an owner may have brought its signatures alone
            found[pk][WORDS] = bytes(shingles)
    images = ImagePrint.objects.filter(record_id__in=record_ids, scheme=PDQ)
    for pk, hashes, quality in images.values_list("record_id", "hashes", "quality"):
        found[pk][PDQ] = bytes(hashes) + bytes([quality])
    sketches = Sketch.objects.filter(record_id__in=record_ids)
    for pk, name, values in sketches.values_list("record_id", "scheme", "values"):
        found[pk][name] = bytes(values)
    return found


def save(made: Iterable[tuple[int, Prints]]) -> None:
    """Store the parts of new records, by their ids, in the caller's transaction."""
    texts: list[tuple[Any, ...]] = []
    images: list[tuple[Any, ...]] = []
    sketches: list[tuple[Any, ...]] = []
    for pk, own in made:
        parts = dict(own.parts)
        signature, shingles = parts.pop(MINHASH, b""), parts.pop(WORDS, b"")
        pdq = parts.pop(PDQ, None)
        if pdq is None:
            texts.append((pk, NAME, scheme.HASH_VERSION, signature, shingles))
        else:
            images.append((pk, PDQ, pdq[:-1], pdq[-1]))
        sketches += [(pk, name, part) for name, part in parts.items()]
    copy_rows(Fingerprint, FINGERPRINT, texts)
    copy_rows(ImagePrint, ("record_id", "scheme", "hashes", "quality"), images)
    copy_rows(Sketch, ("record_id", "scheme", "values"), sketches)
