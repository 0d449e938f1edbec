"""The facts that Tallymark keeps, by noun; import them from here."""

from provenance.models.bundles import Bundle, Subscription
from provenance.models.chain import (
    Anchor,
    ChainAccount,
    ChainContract,
    OutboxAttempt,
    OutboxTransaction,
    StoredTree,
    TreeBlock,
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
from provenance.models.grants import Grant
from provenance.models.licences import Licence, Purpose
from provenance.models.parties import (
    AccessLog,
    ApiKey,
    IdempotencyKey,
    Invitation,
    Membership,
    Party,
    User,
)
from provenance.models.projects import Project
from provenance.models.quotes import Quote, QuoteItem
from provenance.models.rates import Rate, RatePlan
from provenance.models.receipts import ReportingKey, UsageReceipt
from provenance.models.runs import Run, RunEdge, TrainedModel, Usage, UsageReport
from provenance.models.signals import Review, ReviewNote, RunPlan
from provenance.models.splits import (
    Contributor,
    Derivation,
    DerivativeTerms,
    RecordCredit,
    Split,
    SplitShare,
)

__all__ = [
    "AccessLog",
    "Anchor",
    "ApiKey",
    "Bundle",
    "ChainAccount",
    "ChainContract",
    "Claim",
    "Conflict",
    "ContestedRecord",
    "Contributor",
    "Dataset",
    "DatasetVersion",
    "Derivation",
    "DerivativeTerms",
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
    "Project",
    "Purpose",
    "Quote",
    "QuoteItem",
    "Rate",
    "RatePlan",
    "Record",
    "RecordCredit",
    "ReportingKey",
    "Resolution",
    "Review",
    "ReviewNote",
    "Run",
    "RunEdge",
    "RunPlan",
    "Split",
    "SplitShare",
    "StatementOfReasons",
    "StoredTree",
    "Submission",
    "Subscription",
    "TrainedModel",
    "TreeBlock",
    "Usage",
    "UsageReceipt",
    "UsageReport",
    "User",
]
