"""Contributors, splits and derivations."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# For each table the function that checks an UPDATE; none of them is ever deleted from.
GUARDED = {
    "contributor": "refuse()",
    "recordcredit": "refuse()",
    "split": "refuse()",
    "splitshare": "refuse()",
    "derivativeterms": "keep_but('valid_to')",
    "derivation": "keep_but('state', 'reason', 'terms_id', 'decided_by_id', 'accepted_at',"
    " 'ended_at')",
}


def guard(apps, schema_editor) -> None:
    """Set the triggers, then take from the application's role what it must not do."""
    for name, check in GUARDED.items():
        table = f"provenance_{name}"
        for trigger, events, each, function in (
            ("keep", "UPDATE", "ROW", check),
            ("stays", "DELETE", "ROW", "refuse()"),
            ("is_whole", "TRUNCATE", "STATEMENT", "refuse()"),
        ):
            schema_editor.execute(
                f"CREATE TRIGGER {table}_{trigger} BEFORE {events} ON {table}"
                f" FOR EACH {each} EXECUTE FUNCTION provenance_{function}",
                params=None,
            )
    with schema_editor.connection.cursor() as cursor:
        # Where one role does everything, the triggers alone must do.
        cursor.execute(
            "SELECT 1 FROM pg_roles WHERE rolname = %s AND rolname <> current_user",
            [settings.APP_DATABASE_ROLE],
        )
        if not cursor.fetchone():
            return
    role = schema_editor.quote_name(settings.APP_DATABASE_ROLE)
    for name, check in GUARDED.items():
        schema_editor.execute(f"REVOKE DELETE, TRUNCATE ON provenance_{name} FROM {role}")
        if check == "refuse()":
            schema_editor.execute(f"REVOKE UPDATE ON provenance_{name} FROM {role}")


def unguard(apps, schema_editor) -> None:
    """Take the triggers away; the tables go with them."""
    for name in GUARDED:
        for trigger in ("keep", "stays", "is_whole"):
            table = f"provenance_{name}"
            schema_editor.execute(f"DROP TRIGGER {table}_{trigger} ON {table}")


class Migration(migrations.Migration):
    """Contributors, splits and derivations."""

    dependencies = [("provenance", "0007_rates")]

    operations = [
        migrations.CreateModel(
            name="Contributor",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("label", models.CharField(max_length=200)),
                ("named_at", models.DateTimeField()),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="contributors",
                        to="provenance.party",
                    ),
                ),
                (
                    "party",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="contributions",
                        to="provenance.party",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="DerivativeTerms",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "policy",
                    models.CharField(
                        choices=[
                            ("relative", "of what this dataset earns"),
                            (
                                "absolute",
                                "of the whole, from this dataset and from all made of it later",
                            ),
                        ],
                        max_length=10,
                    ),
                ),
                ("basis_points", models.PositiveIntegerField()),
                ("valid_from", models.DateTimeField()),
                ("valid_to", models.DateTimeField(null=True)),
                (
                    "licence",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="derivative_terms",
                        to="provenance.licence",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "derivative terms",
            },
        ),
        migrations.CreateModel(
            name="Derivation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "policy",
                    models.CharField(
                        choices=[
                            ("relative", "of what this dataset earns"),
                            (
                                "absolute",
                                "of the whole, from this dataset and from all made of it later",
                            ),
                        ],
                        max_length=10,
                    ),
                ),
                ("basis_points", models.PositiveIntegerField()),
                ("from_the_start", models.BooleanField(default=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("declared", "Waits for the other owner"),
                            ("accepted", "Accepted"),
                            ("refused", "Refused"),
                            ("withdrawn", "Withdrawn"),
                            ("ended", "Ended"),
                        ],
                        default="declared",
                        max_length=10,
                    ),
                ),
                ("reason", models.TextField(blank=True)),
                ("declared_at", models.DateTimeField()),
                ("accepted_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "child",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="derivations",
                        to="provenance.dataset",
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "declared_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "parent",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="derived",
                        to="provenance.dataset",
                    ),
                ),
                (
                    "source",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="derived",
                        to="provenance.datasetversion",
                    ),
                ),
                (
                    "terms",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="accepted",
                        to="provenance.derivativeterms",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="RecordCredit",
            fields=[
                (
                    "record",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="credit",
                        serialize=False,
                        to="provenance.record",
                    ),
                ),
                (
                    "contributor",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="credits",
                        to="provenance.contributor",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Split",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("given", "Given by hand"),
                            ("records", "By the records that each contributor made"),
                        ],
                        default="given",
                        max_length=10,
                    ),
                ),
                ("rule", models.CharField(blank=True, max_length=40)),
                ("from_the_start", models.BooleanField(default=False)),
                ("applies_at", models.DateTimeField()),
                ("made_at", models.DateTimeField()),
                (
                    "dataset",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="splits",
                        to="provenance.dataset",
                    ),
                ),
                (
                    "made_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="splits",
                        to="provenance.datasetversion",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SplitShare",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("weight", models.BigIntegerField()),
                ("record_count", models.BigIntegerField(null=True)),
                ("points", models.BigIntegerField(null=True)),
                (
                    "party",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="split_shares",
                        to="provenance.party",
                    ),
                ),
                (
                    "split",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="shares",
                        to="provenance.split",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="contributor",
            constraint=models.UniqueConstraint(
                fields=("owner", "label"), name="contributor_once_per_owner"
            ),
        ),
        migrations.AddConstraint(
            model_name="derivativeterms",
            constraint=models.CheckConstraint(
                condition=models.Q(("basis_points__lte", 10000)),
                name="derivative_terms_at_most_the_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="derivativeterms",
            constraint=models.UniqueConstraint(
                condition=models.Q(("valid_to", None)),
                fields=("licence",),
                name="derivative_terms_in_force_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="derivation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["declared", "accepted"])),
                fields=("child", "parent"),
                name="derivation_stands_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="derivation",
            constraint=models.CheckConstraint(
                condition=models.Q(("basis_points__lte", 10000)),
                name="derivation_at_most_the_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="derivation",
            constraint=models.CheckConstraint(
                condition=models.Q(("child", models.F("parent")), _negated=True),
                name="derivation_of_another",
            ),
        ),
        migrations.AddConstraint(
            model_name="split",
            constraint=models.UniqueConstraint(
                fields=("dataset", "number"), name="split_number_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="splitshare",
            constraint=models.UniqueConstraint(fields=("split", "party"), name="split_share_once"),
        ),
        migrations.AddConstraint(
            model_name="splitshare",
            constraint=models.CheckConstraint(
                condition=models.Q(("weight__gt", 0)), name="split_weight_is_positive"
            ),
        ),
        migrations.RunPython(guard, unguard),
    ]
