"""Field types and small bodies that several nouns share."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from provenance.models import Dataset, DatasetVersion, Party, Purpose


@extend_schema_field(OpenApiTypes.STR)
class HexField(serializers.Field[bytes, str, str, Any]):
    """Bytes shown as 0x and hexadecimal digits; read-only."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, **options)

    def to_representation(self, value: Any) -> str:
        """The bytes (or the memoryview that the database gives) in hexadecimal."""
        return "0x" + bytes(value).hex()


class PartyRef(serializers.ModelSerializer[Party]):
    """A party, as others may know it."""

    class Meta:
        model = Party
        fields = ("id", "name", "namespace")


class DatasetRef(serializers.ModelSerializer[Dataset]):
    """A dataset by its names."""

    name = serializers.SerializerMethodField(help_text="namespace/name")
    owner = PartyRef()

    class Meta:
        model = Dataset
        fields = ("id", "name", "title", "owner")

    def get_name(self, dataset: Dataset) -> str:
        """The name that is unique everywhere."""
        return str(dataset)


class VersionRef(serializers.ModelSerializer[DatasetVersion]):
    """A version by its names."""

    name = serializers.SerializerMethodField(help_text="namespace/name@number")
    dataset = DatasetRef()

    class Meta:
        model = DatasetVersion
        fields = ("id", "name", "number", "dataset")

    def get_name(self, version: DatasetVersion) -> str:
        """The name that a usage report may use."""
        return str(version)


class ReasonIn(serializers.Serializer[Any]):
    """Why something is done; it is kept with the fact."""

    reason = serializers.CharField(max_length=2000)


class PurposesField(serializers.ListField):
    """One or more purposes."""

    child = serializers.ChoiceField(choices=Purpose.choices)

    def __init__(self, **options: Any) -> None:
        super().__init__(min_length=1, **options)
