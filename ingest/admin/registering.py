"""Register and upload: a new dataset, or another version of one, by file, address or prints."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.db import transaction
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from ingest import pipeline
from ingest.models import Upload
from provenance import derivation, registry
from provenance.access import Viewer
from provenance.admin.derivations import EXAMPLE, Part, parts_of
from provenance.admin.site import site
from provenance.admin.verbs import Outcome, Verb, VerbForm, owns, person_of, viewer_of
from provenance.models import Dataset, DatasetVersion

HUB = "hf://datasets/"
FORMATS = _lazy(
    "JSON lines (.jsonl, also .gz or .zst), CSV, TSV, Parquet, Arrow, plain "
    "text, or a zip or tar of texts, source files or images."
)


class FileInput(forms.ClearableFileInput):
    """A file field whose sending the page shows as it goes."""

    def __init__(self) -> None:
        super().__init__(attrs={"data-tm-file": "1"})

    class Media:
        js = ("ingest/sending.js",)


class SourceForm(VerbForm):
    """A file or an address."""

    file = forms.FileField(
        required=False, allow_empty_file=True, widget=FileInput, help_text=FORMATS
    )
    url = forms.CharField(
        label=_lazy("Or its address"),
        max_length=2000,
        required=False,
        help_text=_lazy(
            "http(s), s3, or one file of a dataset of the Hub: "
            "hf://datasets/OWNER/NAME/PATH/TO/FILE. It is fetched once."
        ),
    )
    hub = forms.CharField(
        label=_lazy("Or a dataset of the Hugging Face Hub"),
        max_length=200,
        required=False,
        help_text=_lazy("Its id, such as OWNER/NAME, as it stands above its page."),
    )

    def clean(self) -> dict[str, Any]:
        """Exactly one source."""
        cleaned = super().clean() or {}
        given = [name for name in ("file", "url", "hub") if cleaned.get(name)]
        if self.needs_source() and len(given) != 1:
            raise forms.ValidationError(
                _("Choose a file, or give an address, or a dataset of the Hub: one of the three.")
            )
        if cleaned.get("hub"):
            cleaned["url"] = f"{HUB}{cleaned['hub']}"
        return cleaned

    def clean_hub(self) -> str:
        """The id alone, also where somebody pasted the address of its page."""
        text = str(self.cleaned_data["hub"]).strip().rstrip("/")
        name = re.sub(r"^(https?://[^/]+/datasets/|hf://datasets/|datasets/)", "", text)
        if name and not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
            raise forms.ValidationError(
                _("Write the id of a dataset, such as OWNER/NAME; for one file, give its address.")
            )
        return name

    def needs_source(self) -> bool:
        """Whether content is sent with this form."""
        return True


class RegisterForm(SourceForm):
    """A new dataset and, unless only fingerprints are registered, its first content."""

    title = forms.CharField(max_length=200)
    description = forms.CharField(widget=forms.Textarea, required=False)
    kind = forms.ChoiceField(
        choices=Dataset.Kind.choices, widget=forms.RadioSelect, initial=Dataset.Kind.TEXT
    )
    is_fingerprint_only = forms.BooleanField(
        label=_lazy("By fingerprints only: the content stays with me"),
        required=False,
        help_text=_lazy("You compute them at home with the client; no file is sent now."),
    )
    made_from = forms.CharField(
        label=_lazy("Made from others"),
        widget=forms.Textarea(attrs={"rows": 3}),
        required=False,
    )
    field_order = (
        "title", "kind", "file", "url", "hub", "is_fingerprint_only", "description", "made_from",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Said here: filled in where the class is made, it would be English for everybody.
        self.fields["made_from"].help_text = _(
            "A line for each sealed version that it was made from, and what it owes it: "
            "“%(EXAMPLE)s”. Relative is a part of what this dataset earns, absolute also "
            "of what is made of it. Money moves once the other owner accepts."
        ) % {"EXAMPLE": EXAMPLE}

    def clean(self) -> dict[str, Any]:
        """Pictures are fingerprinted here alone: the client has only the standard library."""
        cleaned = super().clean()
        if cleaned.get("is_fingerprint_only") and cleaned.get("kind") == Dataset.Kind.IMAGE:
            raise forms.ValidationError(
                _("Images cannot be fingerprinted at home yet: send the files, or leave it.")
            )
        return cleaned

    def clean_made_from(self) -> list[Part]:
        """The versions and their parts."""
        return parts_of(self.viewer, self.cleaned_data["made_from"])

    def needs_source(self) -> bool:
        """Fingerprints come later, from the client."""
        return not self.cleaned_data.get("is_fingerprint_only")


class VersionForm(SourceForm):
    """The content of another version."""

    mode = forms.ChoiceField(
        label=_lazy("The file holds"),
        choices=[
            (DatasetVersion.Mode.FULL, _lazy("the whole dataset as it is now")),
            (
                DatasetVersion.Mode.DELTA,
                _lazy("changes only: added, changed and withdrawn, by key"),
            ),
        ],
        widget=forms.RadioSelect,
        initial=DatasetVersion.Mode.FULL,
    )


def _register(request: HttpRequest, subject: Any, cleaned: dict[str, Any]) -> Outcome:
    viewer, at = viewer_of(request), timezone.now()
    with transaction.atomic():
        dataset = registry.register_dataset(
            owner=viewer.party,
            name=slugify(cleaned["title"])[:120] or "dataset",
            title=cleaned["title"],
            description=cleaned["description"],
            kind=cleaned["kind"],
            is_fingerprint_only=cleaned["is_fingerprint_only"],
            at=at,
            by=person_of(request),
        )
        for part in cleaned["made_from"]:
            derivation.declare(
                child=dataset,
                source=part.source,
                policy=part.policy,
                basis_points=part.basis_points,
                from_the_start=True,
                at=at,
                by=person_of(request),
            )
        if cleaned["is_fingerprint_only"]:
            return HttpResponseRedirect(
                reverse("admin:provenance_dataset_change", args=[dataset.pk])
            )
        return _begin(request, dataset, {**cleaned, "mode": DatasetVersion.Mode.FULL})


def _send(request: HttpRequest, dataset: Any, cleaned: dict[str, Any]) -> Outcome:
    with transaction.atomic():
        return _begin(request, dataset, cleaned)


def _begin(request: HttpRequest, dataset: Dataset, cleaned: dict[str, Any]) -> Outcome:
    """Open a version and take its content; a file waits for the word on its columns."""
    at = timezone.now()
    version = registry.open_version(dataset=dataset, mode=cleaned["mode"], at=at)
    file = cleaned["file"]
    is_prints = dataset.is_fingerprint_only
    upload = pipeline.begin_upload(
        version=version,
        file=file or None,
        file_name=file.name if file else "",
        url=cleaned["url"],
        starts=file is None or is_prints,
        by=person_of(request),
        at=at,
    )
    return HttpResponseRedirect(reverse("admin:ingest_upload_change", args=[upload.pk]))


def _is_free(viewer: Viewer, dataset: Any) -> bool:
    """One version at a time."""
    busy = (DatasetVersion.State.OPEN, DatasetVersion.State.READY)
    return owns(viewer, dataset) and not dataset.versions.filter(state__in=busy).exists()


REGISTER = Verb(
    "register",
    _lazy("Register a dataset"),
    "rights",
    _register,
    RegisterForm,
    _lazy(
        "Its place in the ledger is taken when it is sealed; minutes later you know "
        "what overlaps. Registering grants nothing to anybody."
    ),
    offered=lambda viewer, subject: viewer.party.is_owner,
    tone="primary",
)
SEND = Verb(
    "upload",
    _lazy("Upload a version"),
    "rights",
    _send,
    VersionForm,
    _lazy("What was sealed before stays as it is; this becomes the next version."),
    offered=_is_free,
    tone="primary",
)

site.add_list_verb(Dataset, REGISTER)
site.add_list_verb(Upload, REGISTER)
site.add_verb(Dataset, SEND)
