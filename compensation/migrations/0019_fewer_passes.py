"""Billing writes down what passes twice, where it did four times."""

from django.db import migrations

from compensation.sql import put_functions

CALLABLE = ("compensation_bill", "compensation_summarize")


def build(apps, schema_editor) -> None:
    """Make billing's functions anew."""
    put_functions(schema_editor, "billing.sql", CALLABLE)


class Migration(migrations.Migration):
    """Billing as `sql/billing.sql` has it now."""

    dependencies = [("compensation", "0018_trials")]

    operations = [migrations.RunPython(build, migrations.RunPython.noop)]
