"""Packed segments of postings, their blocks, what continues elsewhere, and tombstones.

The table of postings that is there becomes the delta: its rows stay and are packed in time.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

KINDS = [(1, 'Band'), (2, 'Sample'), (3, 'Image'), (4, 'Gram'), (5, 'Code'), (6, 'Field'), (7, 'Tile'), (8, 'Column')]

# Packed numbers do not compress; a block stays in its row up to nearly a page. Merges leave whole
# segments of dead rows: they are vacuumed early and without pauses, so that the next merge finds
# their space. A row is never updated, so pages are filled.
STORAGE = """
ALTER TABLE ingest_block ALTER body SET STORAGE EXTERNAL;
ALTER TABLE ingest_block SET (
  toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_insert_scale_factor = 0.5
);
ALTER TABLE ingest_continuation ALTER records SET STORAGE EXTERNAL;
ALTER TABLE ingest_continuation SET (
  toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.05,
  autovacuum_vacuum_cost_delay = 0
);
ALTER TABLE ingest_posting SET (autovacuum_vacuum_scale_factor = 0.05);
"""


class Migration(migrations.Migration):

    dependencies = [
        ('ingest', '0003_screenings'),
    ]

    operations = [
        migrations.CreateModel(
            name='Segment',
            fields=[
                ('id', models.AutoField(primary_key=True, serialize=False)),
                ('kind', models.SmallIntegerField(choices=KINDS)),
                ('token', models.UUIDField(unique=True)),
                ('bits', models.SmallIntegerField()),
                ('base', models.BigIntegerField()),
                ('last', models.BigIntegerField()),
                ('pair_count', models.BigIntegerField()),
                ('clean_round', models.IntegerField()),
            ],
            options={
                'indexes': [models.Index(fields=['kind'], name='segment_by_kind')],
                'constraints': [models.CheckConstraint(condition=models.Q(('last__gte', models.F('base')), ('last__lt', models.expressions.CombinedExpression(models.F('base'), '+', models.Value(4294967296)))), name='segment_numbers_fit')],
            },
        ),
        migrations.CreateModel(
            name='Tombstone',
            fields=[
                ('record_id', models.BigIntegerField(primary_key=True, serialize=False)),
                ('forgotten_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('round', models.IntegerField(null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['round'], name='tombstone_by_round')],
            },
        ),
        migrations.CreateModel(
            name='Block',
            fields=[
                ('pk', models.CompositePrimaryKey('segment_id', 'bucket', blank=True, editable=False, primary_key=True, serialize=False)),
                ('bucket', models.IntegerField()),
                ('body', models.BinaryField()),
                ('segment', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='ingest.segment')),
            ],
        ),
        migrations.CreateModel(
            name='Continuation',
            fields=[
                ('pk', models.CompositePrimaryKey('segment_id', 'key', 'part', blank=True, editable=False, primary_key=True, serialize=False)),
                ('key', models.BigIntegerField()),
                ('part', models.IntegerField()),
                ('records', models.BinaryField()),
                ('segment', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='ingest.segment')),
            ],
        ),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
    ]
