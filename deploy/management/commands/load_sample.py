"""Fill a first start with a small cast and its data, so that a newcomer sees real pages."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from compensation import deposits
from compensation.models import Asset
from ingest import pipeline
from ingest.models import Upload
from provenance import licensing, parties, publishing, registry, usage
from provenance.models import (
    Dataset,
    DatasetVersion,
    Grant,
    Licence,
    Membership,
    Party,
    Purpose,
    Run,
    User,
)
from provenance.streams import Count

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Person:
    """One of the cast: who signs in, for which party."""

    first_name: str
    email: str
    party_name: str
    namespace: str
    kind: str
    scopes: tuple[str, ...]


CAST = (
    Person(
        "Ada",
        "ada@aurora.example",
        "Aurora Archive",
        "aurora-archive",
        "owner",
        ("rights", "finance"),
    ),
    Person(
        "Ben", "ben@birch.example", "Birch Books", "birch-books", "owner", ("rights", "finance")
    ),
    Person(
        "Cleo", "cleo@cobalt.example", "Cobalt Labs", "cobalt-labs", "lab", ("rights", "develop")
    ),
    # Two operators: what is over the limit for one of them takes both.
    Person(
        "Otto",
        "otto@tallymark.example",
        "Tallymark Operations",
        "tallymark-operations",
        "operator",
        ("rights", "finance", "develop"),
    ),
    Person(
        "Olga",
        "olga@tallymark.example",
        "Tallymark Operations",
        "tallymark-operations",
        "operator",
        ("rights", "finance", "develop"),
    ),
)


class Command(BaseCommand):
    """`load_sample`: makes what is missing of the sample cast, data, grant and run."""

    help = "Load the sample parties, datasets, grant and run (safe to repeat)."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Each step makes only what is not there yet, so an interrupted load is finished."""
        at = timezone.now()
        cast = {person.namespace: _enter(person, at) for person in CAST}
        self._write_users(cast, at)
        aurora = _register(cast["aurora-archive"], "field-notes", "Field notes", at)
        birch = _register(cast["birch-books"], "reader", "A reader for long winters", at)
        for dataset, sample in ((aurora, "aurora-field-notes"), (birch, "birch-reader")):
            self.stdout.write(f"  registering {dataset}")
            _upload(dataset, SAMPLES / f"{sample}.jsonl")
        asset = Asset.objects.filter(code__startswith="eip155:").order_by("pk").first()
        if asset is None:
            raise CommandError("There is no token to pay in: run `./run manage deploy_contracts`.")
        _trade(cast["cobalt-labs"], (aurora, birch), asset, at)
        publishing.publish(dataset=aurora, at=timezone.now())
        self.stdout.write("  sample data is in place")

    def _write_users(self, cast: dict[str, Party], at: datetime) -> None:
        """Give each of the cast a password and a key, once, in a file only its owner reads."""
        path = settings.DATA_FOLDER / "sample-users.json"
        if path.exists():
            return
        rows = []
        for person in CAST:
            user = User.objects.get(email=person.email)
            password = secrets.token_urlsafe(9)
            user.set_password(password)
            user.save(update_fields=["password"])
            party = cast[person.namespace]
            _, secret = parties.issue_key(
                party=party, name="sample", scopes=list(person.scopes), created_by=user, at=at
            )
            rows.append(
                {
                    "name": person.first_name,
                    "email": person.email,
                    "password": password,
                    "party": person.party_name,
                    "namespace": person.namespace,
                    "kind": person.kind,
                    "api_key": secret,
                }
            )
        path.touch(mode=0o600)
        path.write_text(json.dumps(rows, indent=1))


@transaction.atomic
def _enter(person: Person, at: datetime) -> Party:
    """The party of `person`, with its user as admin."""
    party = Party.objects.filter(namespace=person.namespace).first() or parties.create_party(
        name=person.party_name,
        is_owner=person.kind == "owner",
        is_lab=person.kind == "lab",
        is_operator=person.kind == "operator",
        contact_email=person.email,
        at=at,
    )
    user, _ = User.objects.get_or_create(
        email=person.email, defaults={"username": person.email, "first_name": person.first_name}
    )
    EmailAddress.objects.update_or_create(
        user=user, email=person.email, defaults={"verified": True, "primary": True}
    )
    Membership.objects.get_or_create(
        user=user, party=party, defaults={"role": Membership.Role.ADMIN, "created_at": at}
    )
    return party


def _register(owner: Party, name: str, title: str, at: datetime) -> Dataset:
    return Dataset.objects.filter(owner=owner, name=name).first() or registry.register_dataset(
        owner=owner, name=name, title=title, at=at
    )


def _upload(dataset: Dataset, path: Path) -> None:
    """Upload `path` as the first version and wait until the workers have sealed it."""
    if dataset.versions.filter(state=DatasetVersion.State.SEALED).exists():
        return
    upload = Upload.objects.filter(version__dataset=dataset).order_by("-started_at").first()
    if upload is None or upload.state == Upload.State.FAILED:
        version = registry.open_version(dataset=dataset, at=timezone.now())
        with path.open("rb") as file:
            upload = pipeline.begin_upload(
                version=version, file=file, file_name=path.name, at=timezone.now()
            )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        upload.refresh_from_db()
        if upload.state == Upload.State.SEALED:
            return
        if upload.state == Upload.State.FAILED:
            raise CommandError(f"{dataset}: {upload.error_detail} {upload.error_hint}")
        time.sleep(0.3)
    raise CommandError(
        f"{dataset} was not ingested within {PATIENCE_SECONDS} s: is a worker running? "
        "See the worker's log; `./run manage load_sample` goes on where this stopped."
    )


def _trade(lab: Party, datasets: tuple[Dataset, ...], asset: Asset, at: datetime) -> None:
    """Offer both datasets, fund the lab, grant it, and report one finished run."""
    deposits.deposit(
        lab=lab, asset=asset, amount_units=500 * 10**asset.scale, reference="sample", at=at
    )
    for dataset in datasets:
        licence = Licence.objects.filter(dataset=dataset).first() or licensing.offer_licence(
            dataset=dataset,
            name="Training licence",
            text="Training and fine-tuning, with payment for each record read.",
            purposes=[Purpose.PRETRAIN, Purpose.FINETUNE],
            at=at,
        )
        if not licence.rates.exists():
            price = 25 * 10**asset.scale
            licensing.set_rate(
                licence=licence,
                basis="per_1k_records",
                price_units=price,
                asset=asset.code,
                valid_from=at,
                at=at,
            )
        if not Grant.objects.filter(lab=lab, dataset=dataset).exists():
            grant = licensing.request_grant(
                lab=lab, licence=licence, purposes=[Purpose.PRETRAIN], at=at
            )
            licensing.give_grant(grant=grant, at=at)
    if not Run.objects.filter(lab=lab).exists():
        _finish_a_run(lab, datasets, timezone.now())


@transaction.atomic
def _finish_a_run(lab: Party, datasets: tuple[Dataset, ...], at: datetime) -> None:
    """A run that read both datasets, three times over, and made a model."""
    run = usage.start_run(lab=lab, purpose=Purpose.PRETRAIN, name="winter-base", at=at)
    for dataset in datasets:
        version = dataset.versions.get(state=DatasetVersion.State.SEALED)
        usage.report_usage(
            run=run,
            subject=str(version.id),
            purpose=Purpose.PRETRAIN,
            stream="rank-0",
            sequence=1,
            count=Count(records=version.record_count * 3, tokens=version.token_count * 3, epochs=3),
            used_at=at,
            received_at=at,
        )
    usage.register_model(lab=lab, name="winter", version="1", is_published=True, run=run, at=at)
    usage.end_run(run=run, at=timezone.now())
