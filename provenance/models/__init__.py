"""The facts that Tallymark keeps, by noun; import them from here."""

from provenance.models.answers import AnsweredConflict, BulkAnswer
from provenance.models.bundles import Bundle, Subscription
from provenance.models.casework import Assignment, CaseKind
from provenance.models.chain import (
    Anchor,
    ChainAccount,
    ChainContract,
    OutboxAttempt,
    OutboxTransaction,
    StoredTree,
    TreeBlock,
)
from provenance.models.concerns import Concern
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
from provenance.models.notices import Letter, Notice, NoticeChoice, NoticeDay, Sending
from provenance.models.ownership import FIRST, OwnershipTransfer, Tenure
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
from provenance.models.proposals import Proposal
from provenance.models.quotes import Quote, QuoteItem
from provenance.models.rates import Rate, RatePlan
from provenance.models.receipts import ReportingKey, UsageReceipt
from provenance.models.restrictions import Restriction
from provenance.models.runs import Run, RunEdge, TrainedModel, Usage, UsageCut, UsageReport
from provenance.models.signals import Review, ReviewNote, RunPlan
from provenance.models.splits import (
    Contributor,
    Derivation,
    DerivativeTerms,
    RecordCredit,
    Split,
    SplitShare,
)
from provenance.models.webhooks import Webhook, WebhookAttempt, WebhookMessage
from provenance.models.works import NamedRecord

__all__ = [
    "FIRST",
    "AccessLog",
    "Anchor",
    "AnsweredConflict",
    "ApiKey",
    "Assignment",
    "BulkAnswer",
    "Bundle",
    "CaseKind",
    "ChainAccount",
    "ChainContract",
    "Claim",
    "Concern",
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
    "Letter",
    "Licence",
    "Match",
    "MatchKind",
    "Membership",
    "NamedRecord",
    "Notice",
    "NoticeChoice",
    "NoticeDay",
    "Opening",
    "OutboxAttempt",
    "OutboxTransaction",
    "Overlap",
    "OwnershipTransfer",
    "Party",
    "Project",
    "Proposal",
    "Purpose",
    "Quote",
    "QuoteItem",
    "Rate",
    "RatePlan",
    "Record",
    "RecordCredit",
    "ReportingKey",
    "Resolution",
    "Restriction",
    "Review",
    "ReviewNote",
    "Run",
    "RunEdge",
    "RunPlan",
    "Sending",
    "Split",
    "SplitShare",
    "StatementOfReasons",
    "StoredTree",
    "Submission",
    "Subscription",
    "Tenure",
    "TrainedModel",
    "TreeBlock",
    "Usage",
    "UsageCut",
    "UsageReceipt",
    "UsageReport",
    "User",
    "Webhook",
    "WebhookAttempt",
    "WebhookMessage",
]
