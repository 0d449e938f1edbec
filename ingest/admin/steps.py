"""The first steps that have to do with content: register, read what was found, screen."""

from __future__ import annotations

from collections.abc import Iterable

from django.urls import reverse
from django.utils.translation import gettext as _

from ingest.models import Screening, Upload
from provenance.access import Viewer
from provenance.admin.guide import Step, add_steps, registers
from provenance.models import Dataset


def _of_owner(viewer: Viewer) -> Iterable[Step]:
    """The first dataset, and what was found."""
    if not (registers(viewer) and viewer.may("rights")):
        return
    uploads = Upload.objects.filter(version__dataset__owner=viewer.party)
    done = uploads.filter(state=Upload.State.SEALED)
    yield Step(
        40,
        _("Register your first dataset"),
        _(
            "From a file, an address, the Hugging Face Hub, or by fingerprints alone, so that the "
            "content never leaves you. It gives your data a date that nobody can change, and "
            "grants nothing to anybody."
        ),
        _("Register a dataset") if not uploads else _("See how far it is"),
        _where_it_stands(viewer),
        is_done=done.exists(),
    )
    newest = done.order_by("-created_at").first()
    found = reverse("admin:ingest_upload_changelist")
    if newest is not None:
        found = reverse("admin:ingest_upload_change", args=[newest.pk])
    yield Step(
        50,
        _("Read what was found"),
        _(
            "Each record was compared with all that others registered before. Where it is alike, "
            "somebody has to answer by a date, and it may be you."
        ),
        _("Read it"),
        found,
        is_done=done.filter(result_seen_at__isnull=False).exists(),
    )


def _where_it_stands(viewer: Viewer) -> str:
    """Where the first registration goes on: its upload, its dataset, or the form."""
    uploads = Upload.objects.filter(version__dataset__owner=viewer.party)
    last = uploads.exclude(state=Upload.State.FAILED).order_by("-created_at").first()
    if last is not None:
        return reverse("admin:ingest_upload_change", args=[last.pk])
    dataset = Dataset.objects.filter(owner=viewer.party).order_by("created_at").first()
    if dataset is not None:
        return reverse("admin:provenance_dataset_change", args=[dataset.pk])
    return reverse("admin:provenance_dataset_list_verb", args=["register"])


def _of_lab(viewer: Viewer) -> Iterable[Step]:
    """A corpus, before anything is trained on it."""
    if not (viewer.party.is_lab and viewer.may("develop")):
        return
    yield Step(
        130,
        _("Screen a corpus"),
        _(
            "Before you train: which rows are like something registered, whose they are and on "
            "what terms. What you send is deleted, and the report is signed."
        ),
        _("Screen a file"),
        reverse("admin:ingest_screening_list_verb", args=["file"]),
        is_done=Screening.objects.filter(party=viewer.party).exists(),
    )


add_steps(_of_owner)
add_steps(_of_lab)
