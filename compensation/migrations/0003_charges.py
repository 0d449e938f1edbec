"""Charges in few bytes, grouped by weight version, with a digest tree; tallies for plans."""

import django.contrib.postgres.indexes
import django.db.models.deletion
from django.db import migrations, models

from compensation.sql import only_by_functions, put_functions

CALLABLE = ("compensation_bill", "compensation_summarize")
# Found by ranges of their numbers: a tree for each would cost more than the rows.
WITHOUT_TREE = ("charge", "chargegroup")


def refuse_older_charges(apps, schema_editor) -> None:
    """Charges of builds before this one are hashed by another rule, which nobody can check now."""
    if apps.get_model("compensation", "Charge").objects.exists():
        raise RuntimeError(
            "This database holds charges of an unreleased build, hashed by an older rule. Keep its"
            " folder, and begin anew with ./run up --fresh."
        )


def build(apps, schema_editor) -> None:
    """Make the functions anew, and keep facts facts."""
    put_functions(schema_editor, "billing.sql", CALLABLE)
    for name in WITHOUT_TREE:
        schema_editor.execute(
            f"ALTER TABLE compensation_{name} DROP CONSTRAINT compensation_{name}_pkey"
        )
    for trigger, event, each in (("stays", "DELETE", "ROW"), ("is_whole", "TRUNCATE", "STATEMENT")):
        schema_editor.execute(
            f"CREATE TRIGGER compensation_tally_{trigger} BEFORE {event}"
            f" ON compensation_tally FOR EACH {each} EXECUTE FUNCTION compensation_refuse()"
        )
    only_by_functions(schema_editor, "compensation_chargegroup")
    only_by_functions(schema_editor, "compensation_tally")


class Migration(migrations.Migration):
    """Charges as the billing function writes them."""

    dependencies = [("compensation", "0002_journal"), ("provenance", "0010_projects")]

    operations = [
        migrations.RunPython(refuse_older_charges, migrations.RunPython.noop),
        migrations.CreateModel(
            name="Tally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "plan",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="tallies",
                        to="provenance.rateplan",
                    ),
                ),
                ("period", models.CharField(max_length=7)),
                ("quantity", models.BigIntegerField(default=0)),
                ("charged_units", models.BigIntegerField(default=0)),
            ],
            options={
                "verbose_name_plural": "tallies",
            },
        ),
        migrations.RemoveConstraint(
            model_name="charge",
            name="charge_says_what_it_is_for",
        ),
        migrations.RemoveConstraint(
            model_name="chargegroup",
            name="charge_group_once",
        ),
        migrations.RemoveIndex(
            model_name="charge",
            name="charge_by_entry",
        ),
        migrations.RemoveField(
            model_name="chargegroup",
            name="account",
        ),
        migrations.RemoveField(
            model_name="chargegroup",
            name="event",
        ),
        migrations.AddField(
            model_name="charge",
            name="epoch_count",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="charge",
            name="fetch_count",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="charge",
            name="tally_quantity",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="chargegroup",
            name="total_after_units",
            field=models.BigIntegerField(default=None),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="stage",
            name="asset",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="compensation.asset",
            ),
        ),
        migrations.AddField(
            model_name="stage",
            name="counted",
            field=models.CharField(
                choices=[("records", "Records"), ("tokens", "Tokens")],
                default=None,
                max_length=10,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="stage",
            name="epoch_count",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="stage",
            name="fetch_count",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="stage",
            name="run",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="provenance.run",
            ),
        ),
        migrations.AlterField(
            model_name="waiting",
            name="reason",
            field=models.CharField(
                choices=[
                    ("no_funds", "The lab's balance does not cover it"),
                    ("over_cap", "The run has reached the cap that its lab accepted"),
                    ("unknown_asset", "The price is in an asset that is not registered here"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddField(
            model_name="stage",
            name="fixed_units",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name="charge",
            name="kind",
            field=models.CharField(
                choices=[
                    ("priced", "Priced"),
                    ("free", "The grant asks for nothing"),
                    ("ungranted", "No grant covers it"),
                    ("unknown", "Nothing of that name is registered"),
                    ("subscription", "A part of a subscription"),
                    ("revenue", "A part of a model's revenue"),
                    ("minimum", "Up to the least amount of a period"),
                ],
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="chargegroup",
            name="entry",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="charge_groups",
                to="compensation.entry",
            ),
        ),
        migrations.AlterField(
            model_name="chargegroup",
            name="weight_version",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="charge_groups",
                to="compensation.weightversion",
            ),
        ),
        migrations.AlterField(
            model_name="stage",
            name="kind",
            field=models.CharField(
                choices=[
                    ("priced", "Priced"),
                    ("free", "The grant asks for nothing"),
                    ("ungranted", "No grant covers it"),
                    ("unknown", "Nothing of that name is registered"),
                    ("subscription", "A part of a subscription"),
                    ("revenue", "A part of a model's revenue"),
                    ("minimum", "Up to the least amount of a period"),
                ],
                max_length=12,
            ),
        ),
        migrations.AddIndex(
            model_name="chargegroup",
            index=django.contrib.postgres.indexes.BrinIndex(
                autosummarize=True, fields=["id"], name="charge_group_by_number", pages_per_range=8
            ),
        ),
        migrations.AddIndex(
            model_name="chargegroup",
            index=django.contrib.postgres.indexes.BrinIndex(
                autosummarize=True,
                fields=["entry"],
                name="charge_group_by_entry",
                pages_per_range=2,
            ),
        ),
        migrations.AddConstraint(
            model_name="chargegroup",
            constraint=models.UniqueConstraint(
                fields=("weight_version", "entry"), name="charge_group_once"
            ),
        ),
        migrations.AddField(
            model_name="tally",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="tallies",
                to="compensation.account",
            ),
        ),
        migrations.AddField(
            model_name="charge",
            name="tally",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="charges",
                to="compensation.tally",
            ),
        ),
        migrations.AddIndex(
            model_name="charge",
            index=django.contrib.postgres.indexes.BrinIndex(
                autosummarize=True, fields=["id"], name="charge_by_number", pages_per_range=8
            ),
        ),
        migrations.AddIndex(
            model_name="charge",
            index=django.contrib.postgres.indexes.BrinIndex(
                autosummarize=True,
                fields=["entry", "weight_version"],
                name="charge_by_group",
                pages_per_range=2,
            ),
        ),
        migrations.AddConstraint(
            model_name="charge",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount_units", 0),
                    models.Q(
                        ("account__isnull", False),
                        ("entry__isnull", False),
                        ("running_units__isnull", False),
                        ("weight_version__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="charge_says_what_it_is_for",
            ),
        ),
        migrations.AddConstraint(
            model_name="tally",
            constraint=models.UniqueConstraint(
                fields=("account", "plan", "period"), name="tally_once"
            ),
        ),
        migrations.RunPython(build, migrations.RunPython.noop),
    ]
