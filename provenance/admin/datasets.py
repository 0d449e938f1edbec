"""Datasets and their versions: what was registered, when, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.db.models import Count, Max, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from provenance import lineage, publishing, registry
from provenance.access import Viewer
from provenance.admin.base import OWNERS, ReadOnlyFacts
from provenance.admin.columns import column
from provenance.admin.site import site
from provenance.admin.verbs import Verb, VerbForm, owns, viewer_of
from provenance.documents import certificates
from provenance.models import Dataset, DatasetVersion, Licence, Overlap, Party, Record

State = DatasetVersion.State


class DatasetAdmin(ReadOnlyFacts):
    """The viewer's datasets."""

    shown_to = OWNERS
    page_template = "provenance/dataset.html"
    list_display = ("title_and_name", "kind", "versions_word", "records", "terms", "created_at")
    list_filter = ("kind",)
    search_fields = ("title", "name")
    ordering = ("-created_at",)
    list_select_related = ("owner",)
    list_words = _lazy(
        "What you registered. Registering grants nothing: all rights stay reserved until you "
        "offer a licence."
    )
    operator_words = _lazy(
        "What owners registered. Registering grants nothing: all rights stay reserved until the "
        "owner offers a licence."
    )
    empty_title = _lazy("No dataset yet")
    empty_words = _lazy(
        "Register the first one by uploading a file, by its address, or by fingerprints alone. "
        "Within minutes you learn whether it overlaps with anything registered before."
    )

    def scope(self, viewer: Viewer) -> Any:
        sealed = Q(versions__state=State.SEALED)
        return (
            super()
            .scope(viewer)
            .annotate(
                sealed_count=Count("versions", filter=sealed, distinct=True),
                newest_records=Max("versions__record_count", filter=sealed),
                offer_count=Count(
                    "licences", filter=Q(licences__retired_at__isnull=True), distinct=True
                ),
            )
        )

    @column(_lazy("Dataset"), ordering="title", header=True)
    def title_and_name(self, dataset: Dataset) -> list[str]:
        return [dataset.title, str(dataset)]

    @column(_lazy("Sealed versions"), ordering="sealed_count")
    def versions_word(self, dataset: Any) -> str:
        return str(dataset.sealed_count or _("none yet"))

    @column(_lazy("Records"), ordering="newest_records")
    def records(self, dataset: Any) -> str:
        return f"{dataset.newest_records:,}" if dataset.newest_records is not None else "–"

    @column(_lazy("Terms"), label={"reserved": "info", "offered": "success"})
    def terms(self, dataset: Any) -> str:
        return "offered" if dataset.offer_count else "reserved"

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        viewer = viewer_of(request)
        versions = list(subject.versions.order_by("-number"))
        newest = next((each for each in versions if each.state == State.SEALED), None)
        overlaps = (
            Overlap.objects.visible_to(viewer)
            .filter(Q(later__dataset=subject) | Q(earlier__dataset=subject))
            .select_related("later__dataset__owner", "earlier__dataset__owner")
            .order_by("-found_at")[:20]
        )
        return {
            "title": subject.title,
            "versions": versions,
            "newest": newest,
            "licences": Licence.objects.visible_to(viewer).filter(dataset=subject),
            "overlaps": overlaps,
            "models": lineage.models_of(subject, viewer),
            "token_sum": subject.versions.filter(state=State.SEALED).aggregate(
                most=Max("token_count")
            )["most"],
            "conflicts": subject.conflicts.all()[:20],
            "later_conflicts": subject.later_conflicts.all()[:20],
        }


def _publish(request: HttpRequest, dataset: Any, cleaned: dict[str, Any]) -> str:
    publishing.publish(dataset=dataset, at=timezone.now())
    return _("Anybody may now see %(address)s.") % {"address": f"/datasets/{dataset}"}


def _take_down(request: HttpRequest, dataset: Any, cleaned: dict[str, Any]) -> str:
    publishing.take_down(dataset=dataset, at=timezone.now())
    return _("Nobody sees its page any more.")


PUBLISH = Verb(
    "publish",
    _lazy("Publish a page about it"),
    "rights",
    _publish,
    explains=_lazy(
        "Anybody may then see its title, description, owner, versions, counts and terms, "
        "and search engines may list it. No record is shown."
    ),
    offered=lambda viewer, dataset: owns(viewer, dataset) and dataset.published_at is None,
)
TAKE_DOWN = Verb(
    "take-down",
    _lazy("Take its page down"),
    "rights",
    _take_down,
    explains=_lazy("Nobody sees the page any more; what others copied of it is beyond us."),
    offered=lambda viewer, dataset: owns(viewer, dataset) and dataset.published_at is not None,
)


class WithdrawForm(VerbForm):
    """Why a version is withdrawn."""

    reason = forms.CharField(
        max_length=300, label=_lazy("Reason"), help_text=_lazy("It stands in the ledger.")
    )


class EraseForm(VerbForm):
    """Erasure is confirmed by writing the version's name."""

    name = forms.CharField(label=_lazy("Write the version's name to confirm"))

    def clean_name(self) -> str:
        """The name as it was asked for."""
        if self.cleaned_data["name"] != str(self.subject):
            raise forms.ValidationError(_("Write exactly: %(name)s") % {"name": self.subject})
        return str(self.cleaned_data["name"])


def _is_own(viewer: Viewer, version: DatasetVersion) -> bool:
    return version.dataset.owner_id == viewer.party.pk


def _withdraw(request: HttpRequest, version: Any, cleaned: dict[str, Any]) -> str:
    registry.withdraw_version(version=version, at=timezone.now(), reason=cleaned["reason"])
    words = _("%(version)s is withdrawn. New uses of it are flagged; past ones stay owed.")
    return words % {"version": version}


def _erase(request: HttpRequest, version: Any, cleaned: dict[str, Any]) -> str:
    registry.erase_version(version=version, at=timezone.now())
    words = _("%(version)s is erased: content and fingerprints go within 7 days; the proofs stay.")
    return words % {"version": version}


WITHDRAW = Verb(
    "withdraw",
    _lazy("Withdraw this version"),
    "rights",
    _withdraw,
    WithdrawForm,
    _lazy("Labs may no longer begin to use it. What was used stays owed, and the facts stay."),
    offered=lambda viewer, version: _is_own(viewer, version) and version.state == State.SEALED,
    tone="danger",
)
ERASE = Verb(
    "erase",
    _lazy("Erase this version"),
    "rights",
    _erase,
    EraseForm,
    _lazy(
        "The content, its fingerprints and evidence are deleted for good. The ledger stays "
        "verifiable, because it holds only salted digests and the salt is deleted too."
    ),
    offered=lambda viewer, version: _is_own(viewer, version) and version.state == State.WITHDRAWN,
    tone="danger",
)


class DatasetVersionAdmin(ReadOnlyFacts):
    """One version: its place in the ledger, its papers and its end."""

    list_title = _lazy("Versions")
    shown_to = OWNERS
    page_template = "provenance/version.html"
    list_display = ("name", "label", "record_count", "token_count", "sealed_at")
    list_filter = ("state",)
    list_select_related = ("dataset__owner",)
    ordering = ("-created_at",)
    list_words = _lazy(
        "Your datasets as they were sealed, one row for each time: a version never changes."
    )
    operator_words = _lazy(
        "Owners' datasets as they were sealed, one row for each time: a version never changes."
    )
    verbs = (WITHDRAW, ERASE)

    @column(_lazy("Version"))
    def name(self, version: DatasetVersion) -> str:
        return str(version)

    @column(
        _lazy("State"),
        label={"sealed": "success", "failed": "danger", "open": "info", "ready": "warning"},
    )
    def label(self, version: DatasetVersion) -> str:
        return str(version.state)

    def parties_of(self, subject: Any) -> Iterable[Party]:
        return [subject.dataset.owner]

    def more_urls(self, named: Any) -> list[URLPattern]:
        return [
            named("<str:object_id>/certificate.pdf", self.certificate, "certificate"),
        ]

    def certificate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The certificate of a sealed version, as PDF."""
        version = self.found(request, object_id)
        stopped = self.look(request, version)
        if stopped is not None:
            return stopped
        content = certificates.certificate_pdf(version)
        return HttpResponse(
            content,
            content_type="application/pdf",
            headers={"Content-Disposition": f'inline; filename="certificate-{version.pk}.pdf"'},
        )

    def details(self, request: HttpRequest, subject: Any) -> dict[str, Any]:
        records = Record.objects.of_version(subject)
        sums = records.aggregate(tokens=Sum("token_count"), count=Count("pk"))
        return {
            "title": str(subject),
            "sums": sums,
            "first_records": records.order_by("added_number", "ordinal")[:10],
            "dataset_url": reverse("admin:provenance_dataset_change", args=[subject.dataset_id]),
        }


site.register(Dataset, DatasetAdmin)
site.register(DatasetVersion, DatasetVersionAdmin)
for verb in (PUBLISH, TAKE_DOWN):
    site.add_verb(Dataset, verb)
