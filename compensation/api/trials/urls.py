"""The addresses that keys for tests open, below /api/v1/; all others are closed to them."""

from __future__ import annotations

from django.urls import path, re_path

from compensation.api.trials import views
from provenance.api.door import router

nouns = router()
nouns.register("runs", views.TrialRuns, basename="trial-run")
nouns.register("usages", views.TrialUsages, basename="trial-usage")
nouns.register("models", views.TrialModels, basename="trial-model")
nouns.register("grants", views.TrialGrants, basename="trial-grant")
nouns.register("quotes", views.TrialQuotes, basename="trial-quote")

urlpatterns = [
    path("parties/me", views.TrialMe.as_view()),
    path("signing-terms", views.TrialSigningTerms.as_view()),
    path("catalogue", views.TrialCatalogue.as_view()),
    path("estimates", views.TrialEstimates.as_view()),
    *nouns.urls,
    re_path("^", views.Closed.as_view()),
]
