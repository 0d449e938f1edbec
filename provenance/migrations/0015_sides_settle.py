"""A claimant may take its claim back, and a side may settle records by its own word."""

from django.db import migrations, models

TABLE = "provenance_claim"
BEFORE = "'admitted_by_id', 'admitted_at', 'rejected_at'"


def _guard(columns: str) -> str:
    return (
        f"DROP TRIGGER {TABLE}_keep ON {TABLE};"
        f" CREATE TRIGGER {TABLE}_keep BEFORE UPDATE ON {TABLE}"
        f" FOR EACH ROW EXECUTE FUNCTION provenance_keep_but({columns})"
    )


class Migration(migrations.Migration):
    """When a claim was withdrawn; its guard lets that be written."""

    dependencies = [("provenance", "0014_signed_receipts")]

    operations = [
        migrations.AddField(
            model_name="claim",
            name="withdrawn_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name="submission",
            name="kind",
            field=models.CharField(
                choices=[
                    ("answer", "Answer"),
                    ("reply", "Reply"),
                    ("appeal", "Appeal"),
                    ("concession", "Concession"),
                ],
                max_length=10,
            ),
        ),
        migrations.RunSQL(_guard(f"{BEFORE}, 'withdrawn_at'"), _guard(BEFORE)),
    ]
