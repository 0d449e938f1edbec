"""The billing function in one pass: a tally is opened where it is counted."""

from django.db import migrations

from compensation.sql import put_functions

CALLABLE = ("compensation_bill", "compensation_summarize")


def build(apps, schema_editor) -> None:
    """Make billing's functions anew, and drop the one that is not called any more."""
    schema_editor.execute(
        "DROP FUNCTION IF EXISTS compensation_bill_tallies(uuid, bigint, text, text)"
    )
    put_functions(schema_editor, "billing.sql", CALLABLE)


class Migration(migrations.Migration):
    """Billing as `sql/billing.sql` has it now."""

    dependencies = [("compensation", "0010_statements")]

    operations = [migrations.RunPython(build, migrations.RunPython.noop)]
