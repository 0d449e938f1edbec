"""Work in progress and what is derived from content: uploads, fingerprints, postings, bodies.

None of it is a fact: all of it can be made again from the content, and all of it is deleted when
the content is withdrawn or erased.
"""

from .columns import ColumnSketch
from .index import Posting
from .leased import Leased
from .prints import Body, Embedding, Fingerprint, ImagePrint, Sketch
from .progress import Progress
from .screenings import (
    ScreenedBadRow,
    ScreenedDataset,
    ScreenedMatch,
    Screening,
    ScreeningDay,
    ScreeningNotice,
    ScreeningQuerySet,
    WatchedPrint,
)
from .uploads import BadRow, Upload, UploadQuerySet

__all__ = [
    "BadRow",
    "Body",
    "ColumnSketch",
    "Embedding",
    "Fingerprint",
    "ImagePrint",
    "Leased",
    "Posting",
    "Progress",
    "ScreenedBadRow",
    "ScreenedDataset",
    "ScreenedMatch",
    "Screening",
    "ScreeningDay",
    "ScreeningNotice",
    "ScreeningQuerySet",
    "Sketch",
    "Upload",
    "UploadQuerySet",
    "WatchedPrint",
]
