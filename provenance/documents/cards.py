"""What machines read of a published dataset: a Croissant card (MLCommons, 1.0) as JSON-LD."""

from __future__ import annotations

from typing import Any

from provenance.models import Dataset, DatasetVersion, Licence

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "citeAs": "cr:citeAs",
    "recordSet": "cr:recordSet",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
}
RESERVED = "All rights reserved; ask the owner for a grant."


def card(*, dataset: Dataset, version: DatasetVersion, licences: list[Licence], url: str) -> Any:
    """The card of a dataset's newest sealed version: who, what, when and on what terms.

    It names no file and no record: the content is not ours to hand out.
    """
    assert version.sealed_at is not None, "only what is sealed is published"
    terms = [one.spdx or one.name for one in licences]
    found: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": str(dataset),
        "alternateName": dataset.title,
        "description": dataset.description or dataset.title,
        "url": url,
        "creator": {"@type": "sc:Organization", "name": dataset.owner.name},
        "license": terms or [RESERVED],
        "datePublished": version.sealed_at.date().isoformat(),
        "version": str(version.number),
        "isAccessibleForFree": False,
        "distribution": [],
        "recordSet": [],
    }
    return found
