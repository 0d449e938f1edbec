"""The addresses of provenance's part of the API, below /api/v1/."""

from __future__ import annotations

from django.urls import path

from provenance.api.bundles import Bundles, Subscriptions
from provenance.api.contributors import (
    Contributors,
    Credits,
    MyShares,
    QualityRules,
    Splits,
)
from provenance.api.datasets import Catalogue, Datasets
from provenance.api.derivations import Debts, Derivations, Terms
from provenance.api.door import router
from provenance.api.events import Events, Head, Verify
from provenance.api.grants import Grants
from provenance.api.licences import Licences
from provenance.api.lineage import Lineage
from provenance.api.models import Models
from provenance.api.notices import NoticeKinds, Notices, Preferences
from provenance.api.overlaps import Overlaps
from provenance.api.ownership import OwnershipTransfers
from provenance.api.parties import Invitations, Keys, Looks, Me, Members, Parties
from provenance.api.projects import Projects
from provenance.api.reporting_keys import ReportingKeys, SigningTerms
from provenance.api.restrictions import Restrictions
from provenance.api.reviews import Reviews
from provenance.api.usages import Usages
from provenance.api.versions import Versions
from provenance.api.webhooks import WebhookMessages, Webhooks

nouns = router()
nouns.register("parties", Parties, basename="party")
nouns.register("invitations", Invitations, basename="invitation")
nouns.register("keys", Keys, basename="key")
nouns.register("datasets", Datasets, basename="dataset")
nouns.register("versions", Versions, basename="version")
nouns.register("contributors", Contributors, basename="contributor")
nouns.register("splits", Splits, basename="split")
nouns.register("derivations", Derivations, basename="derivation")
nouns.register("derivative-terms", Terms, basename="derivative-terms")
nouns.register("licences", Licences, basename="licence")
nouns.register("grants", Grants, basename="grant")
nouns.register("bundles", Bundles, basename="bundle")
nouns.register("subscriptions", Subscriptions, basename="subscription")
nouns.register("overlaps", Overlaps, basename="overlap")
nouns.register("ownership-transfers", OwnershipTransfers, basename="ownership-transfer")
nouns.register("projects", Projects, basename="project")
nouns.register("restrictions", Restrictions, basename="restriction")
nouns.register("reviews", Reviews, basename="review")
nouns.register("reporting-keys", ReportingKeys, basename="reporting-key")
nouns.register("usages", Usages, basename="usage")
nouns.register("models", Models, basename="model")
nouns.register("events", Events, basename="event")
nouns.register("notices", Notices, basename="notice")
nouns.register("webhooks", Webhooks, basename="webhook")
nouns.register("webhook-messages", WebhookMessages, basename="webhook-message")

urlpatterns = [
    path("parties/me", Me.as_view(), name="me"),
    path("members", Members.as_view(), name="members"),
    path("access-log", Looks.as_view(), name="access-log"),
    path("signing-terms", SigningTerms.as_view(), name="signing-terms"),
    path("my-shares", MyShares.as_view(), name="my-shares"),
    path("quality-rules", QualityRules.as_view(), name="quality-rules"),
    path("versions/<uuid:pk>/credits", Credits.as_view(), name="version-credits"),
    path("datasets/<uuid:pk>/debts", Debts.as_view(), name="dataset-debts"),
    path("notice-kinds", NoticeKinds.as_view(), name="notice-kinds"),
    path("notice-preferences", Preferences.as_view(), name="notice-preferences"),
    path("catalogue", Catalogue.as_view(), name="catalogue"),
    path("lineage", Lineage.as_view(), name="lineage"),
    path("ledger/head", Head.as_view(), name="ledger-head"),
    path("ledger/verify", Verify.as_view(), name="ledger-verify"),
    *nouns.urls,
]
