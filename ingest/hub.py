"""Datasets of the Hugging Face Hub by their id: which address holds what `hf://` names.

A file is named by its path, as in fsspec (`hf://datasets/owner/name@revision/path/to/file`). An id
alone means the Hub's own conversion to Parquet, which is one file for most datasets; where it is
several, nothing is guessed: each is registered by its own address.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext as _

from provenance.refusals import Refused

SCHEME = "hf"
MOST_NAMED = 5
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_DATASET = re.compile(
    rf"hf://datasets/(?P<id>{_PART}/{_PART})(@(?P<revision>[^/@]+))?(/(?P<path>.+))?"
)


class NotADataset(Refused):
    """That is not the address of a dataset on the Hub."""

    code = "not_a_hub_dataset"
    status = 422
    hint = "Write hf://datasets/OWNER/NAME, with /PATH/TO/FILE to name one file of it."


class NotOneFile(Refused):
    """This dataset is not one file on the Hub."""

    code = "not_one_file"
    status = 422


def is_whole(url: str) -> bool:
    """Whether `url` names a dataset, and no file in it. Raises NotADataset."""
    return _read(url)["path"] is None


def file_address(url: str, endpoint: str) -> str:
    """Where the Hub at `endpoint` serves the file that `url` names. Raises NotADataset."""
    found = _read(url)
    path, revision = quote(found["path"] or ""), quote(found["revision"] or "main", safe="")
    return f"{endpoint}/datasets/{found['id']}/resolve/{revision}/{path}"


def listing_address(url: str, endpoint: str) -> str:
    """Where the Hub lists the Parquet files of a whole dataset. Raises NotADataset."""
    return f"{endpoint}/api/datasets/{_read(url)['id']}/parquet"


def only_file(listing: Any, endpoint: str) -> str:
    """The one file of a listing {config: {split: [address, ...]}}. Raises NotOneFile.

    What is not an address of the same Hub is not followed.
    """
    addresses = []
    for splits in listing.values() if isinstance(listing, dict) else ():
        for files in splits.values() if isinstance(splits, dict) else ():
            addresses += [one for one in files if str(one).startswith(f"{endpoint}/")]
    if not addresses:
        raise NotOneFile(
            _("The Hub has no Parquet files of this dataset."),
            hint=_("Name a file of it: hf://datasets/OWNER/NAME/PATH/TO/FILE."),
        )
    if len(addresses) > 1:
        named = ", ".join(addresses[:MOST_NAMED])
        raise NotOneFile(
            _("On the Hub this dataset is %(addresses_count)s files.")
            % {"addresses_count": f"{len(addresses):,}"},
            hint=_(
                "Register them by their addresses, one a version as deltas. They begin: %(named)s"
            )
            % {"named": named},
        )
    return str(addresses[0])


def _read(url: str) -> dict[str, str | None]:
    found = _DATASET.fullmatch(url.strip())
    if found is None or ".." in (found["path"] or "").split("/"):
        raise NotADataset
    return found.groupdict()
