"""The facts that Tallymark keeps, by noun; import them from here."""

from provenance.models.chain import (
    Anchor,
    ChainAccount,
    ChainContract,
    OutboxAttempt,
    OutboxTransaction,
)
from provenance.models.conflicts import (
    Claim,
    Conflict,
    ContestedRecord,
    Match,
    MatchKind,
    Opening,
    Overlap,
    Resolution,
    StatementOfReasons,
    Submission,
)
from provenance.models.datasets import Dataset, DatasetVersion, Record
from provenance.models.events import Event
from provenance.models.licences import Grant, Licence, Purpose, Rate
from provenance.models.parties import (
    AccessLog,
    ApiKey,
    IdempotencyKey,
    Invitation,
    Membership,
    Party,
    User,
)
from provenance.models.runs import Run, RunEdge, TrainedModel, Usage, UsageReport

__all__ = [
    "AccessLog",
    "Anchor",
    "ApiKey",
    "ChainAccount",
    "ChainContract",
    "Claim",
    "Conflict",
    "ContestedRecord",
    "Dataset",
    "DatasetVersion",
    "Event",
    "Grant",
    "IdempotencyKey",
    "Invitation",
    "Licence",
    "Match",
    "MatchKind",
    "Membership",
    "Opening",
    "OutboxAttempt",
    "OutboxTransaction",
    "Overlap",
    "Party",
    "Purpose",
    "Rate",
    "Record",
    "Resolution",
    "Run",
    "RunEdge",
    "StatementOfReasons",
    "Submission",
    "TrainedModel",
    "Usage",
    "UsageReport",
    "User",
]
