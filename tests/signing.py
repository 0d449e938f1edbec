"""Keys that sign reports in tests, as a training job has them."""

from __future__ import annotations

from datetime import datetime

from tallymark.receipts import Receipt, SigningKey, key_digest, micros

from provenance import reporting_keys
from provenance.models import Party, ReportingKey
from tests.cast import NOON

KEY = SigningKey("0x" + "5a" * 32)
OTHER_KEY = SigningKey("0x" + "6b" * 32)


def introduced(party: Party, key: SigningKey = KEY) -> dict[str, str]:
    """What a key says to be registered for a party."""
    digest = key_digest(reporting_keys.domain(), str(party.pk), key.address)
    return {"name": "cluster", "address": key.address, "signature": "0x" + key.sign(digest).hex()}


def registered(party: Party, key: SigningKey = KEY) -> ReportingKey:
    return reporting_keys.register(party=party, at=NOON, **introduced(party, key))


def body(party: Party, run: object, version: object, *, key: SigningKey = KEY, **given) -> dict:
    """A signed report as the API takes it; what is `given` is signed, too."""
    facts = {
        "run": str(getattr(run, "pk", run)),
        "subject": str(getattr(version, "pk", version)),
        "purpose": "pretrain",
        "stream": "rank-0",
        "sequence": 1,
        "records": 10,
        "tokens": 100,
        "epochs": 1,
        "fetches": 0,
        "used_at": NOON.isoformat(),
        **given,
    }
    receipt = Receipt(
        tenant=str(party.pk),
        run=facts["run"],
        version=facts["subject"],
        used_at=micros(datetime.fromisoformat(facts["used_at"])),
        **{
            name: facts[name]
            for name in ("purpose", "stream", "sequence", "records", "tokens", "epochs", "fetches")
        },
    )
    signature = key.sign(receipt.digest(reporting_keys.domain()))
    return facts | {"signature": "0x" + signature.hex()}
