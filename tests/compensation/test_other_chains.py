"""Payouts on chains that are not EVMs leave in a file, once; the journal follows what is done."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from compensation import chain_accounts, deposits, invariants, payees, progress
from compensation.chain_accounts import BadAccountName
from compensation.models import Account, Asset, ExportedPayout, PayoutMethod
from compensation.other_chains import exporting, results
from provenance.models import Event
from tests import doors
from tests.compensation.conftest import held
from tests.paying import earn, earn_again

pytestmark = pytest.mark.django_db

Kind = Account.Kind
SOLANA = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqdKvdp"
USDC = f"{SOLANA}/token:EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
BITCOIN = "bip122:000000000019d6689c085ae165831e93"
ADAS = f"{SOLANA}:7S3P4HxJpyyigGzodYwHtCxZyUQe9JiBMHyRWXArAaKv"
BENS = f"{SOLANA}:DYw8jCTfwHNRJhhmFcbXvVDTqWMEVFBX6ZKUmG5CNSKK"


@pytest.mark.parametrize(
    "address",
    [
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        # BIP-350's own.
        "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
        "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
        "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    ],
)
def test_addresses_of_bitcoin_are_known_and_one_changed_letter_is_not(address):
    assert chain_accounts.checked(f"{BITCOIN}:{address}") == (BITCOIN, address)
    last = "q" if address[-1] not in "qQ" else "p"
    with pytest.raises(BadAccountName):
        chain_accounts.checked(f"{BITCOIN}:{address[:-1]}{last}")


@pytest.mark.parametrize(
    "account",
    [
        # BIP-350's invalid ones: another network, the wrong checksum for the version, a bad length.
        f"{BITCOIN}:tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
        f"{BITCOIN}:bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",
        f"{BITCOIN}:bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh",
        f"{BITCOIN}:bc1rw5uspcuf",
        f"{BITCOIN}:bc1gmk9yu",
        f"{BITCOIN}:bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf",
        f"{SOLANA}:7S3P4HxJpyyigGzodYwHtCxZyUQe9JiBMHyRWX",
        f"{SOLANA}:7S3P4HxJpyyigGzodYwHtCxZyUQe9JiBMHyRWXArAa0v",
        "eip155:1:0x00000000000000000000000000000000000000aa",
        "solana",
        "Solana:x:y",
        f"{SOLANA}:",
        "cosmos:cosmoshub-3:" + "c" * 120,
    ],
)
def test_what_is_no_account_is_refused_with_what_to_do(account):
    with pytest.raises(BadAccountName) as refusal:
        chain_accounts.checked(account)
    assert refusal.value.next_step


def test_of_a_chain_that_we_do_not_know_the_name_alone_is_checked():
    account = "cosmos:cosmoshub-3:cosmos1t2uflqwqe0fsj0shcfkrvpukewcw40yjj6hdc0"
    assert chain_accounts.checked(account)[0] == "cosmos:cosmoshub-3"


@pytest.fixture
def dollar(db, settings) -> Asset:
    """A token on Solana, which we do not sign for; nothing is held back."""
    settings.HOLD_BACK_DAYS = settings.PAYOUT_ACCOUNT_HOLD_HOURS = 0
    return deposits.register_asset(code=USDC, symbol="USDC", scale=6, token_decimals=6)


@pytest.fixture
def export(ada, ben, paid_lab, dollar, clock):
    """An export with a line for Ada and one for Ben."""
    essays = earn(paid_lab, ada, dollar, clock)
    earn_again(paid_lab, essays, clock, records=3)
    earn(paid_lab, ben, dollar, clock, name="notes")
    payees.add_other_account(party=ada, account=ADAS, at=clock())
    payees.add_other_account(party=ben, account=BENS, at=clock())
    return exporting.make_export(asset=dollar, at=clock())


def test_what_is_due_is_exported_exactly_and_once(export, ada, ben, dollar, clock):
    lines = list(csv.DictReader(io.StringIO(exporting.as_csv(export).decode(), newline="")))
    assert [(one["address"], one["amount"], one["base_units"]) for one in lines] == [
        (ADAS.rpartition(":")[2], "0.325000", "325000"),
        (BENS.rpartition(":")[2], "0.250000", "250000"),
    ]
    assert {(one["chain"], one["asset"]) for one in lines} == {(SOLANA, USDC)}
    assert exporting.as_json(export)["transfers"] == lines
    assert exporting.as_csv(export) == exporting.as_csv(export)
    with pytest.raises(exporting.NothingIsDue):
        exporting.make_export(asset=dollar, at=clock())
    assert held(dollar, Kind.PAYOUTS_IN_FLIGHT, ada) == 325_000
    assert list(invariants.broken()) == []


def result(place: int, state: str, units: int, **more: str) -> dict[str, object]:
    return {"reference": f"TX000001-{place:05d}", "state": state, "base_units": units} | more


def test_results_are_read_back_once_and_the_journal_follows(export, ada, ben, dollar, clock):
    found = results.parse(
        json.dumps(
            [
                result(1, "paid", 325_000, tx_hash="5sig"),
                result(2, "returned", 250_000, words="The token account is frozen."),
            ]
        ).encode()
    )
    assert results.take(export=export, results=found, at=clock()) == 2
    assert results.take(export=export, results=found, at=clock()) == 0
    assert held(dollar, Kind.PAYOUTS_IN_FLIGHT, ada) == held(dollar, Kind.OWNER, ada) == 0
    assert held(dollar, Kind.OWNER, ben) == 250_000
    assert PayoutMethod.objects.get(party=ben).flag_words == "The token account is frozen."
    shown = {one.party: one for party in (ada, ben) for one in progress.payouts_of(party=party)}
    assert (shown[ada].state, shown[ben].state) == ("paid", "returned")
    lines = progress.lines_of(shown[ada])
    assert sum(one.amount_units for one in lines) == 325_000
    assert Event.objects.filter(kind__in=["payout.settled", "payout.returned"]).count() == 2
    assert list(invariants.broken()) == []
    with pytest.raises(exporting.NothingIsDue):
        exporting.make_export(asset=dollar, at=clock())
    payees.confirm_method(method=PayoutMethod.objects.get(party=ben), at=clock())
    assert exporting.make_export(asset=dollar, at=clock()).amount_units == 250_000


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([result(3, "paid", 1, tx_hash="x")], "is no line of export 1"),
        ([result(1, "paid", 324_999, tx_hash="x")], "is for 325000 base units, not 324999"),
        ([result(1, "paid", 325_000)], "has its tx_hash"),
        ([result(1, "sent", 325_000)], "leave out what is not decided"),
        ([{"reference": "TX000001-00001"}], "Line 1 cannot be read"),
        (
            [
                result(2, "paid", 250_000, tx_hash="a"),
                result(1, "paid", 325_000, tx_hash="a"),
                result(1, "paid", 325_000, tx_hash="b"),
            ],
            "was paid already in a",
        ),
    ],
)
def test_results_that_do_not_fit_change_nothing(export, rows, said, clock):
    with pytest.raises(results.BadResults, match=said):
        results.take(export=export, results=results.parse(json.dumps(rows).encode()), at=clock())
    assert set(ExportedPayout.objects.values_list("state", flat=True)) == {"sent"}


def test_only_operators_see_exports_and_an_owner_names_its_account(
    export, ada, ben, lab, operator, olga, dollar
):
    door = doors.of(operator, by=olga)
    (listed,) = door.get("payout-exports")["results"]
    path = f"payout-exports/{listed['id']}"
    assert door.raw("GET", f"{path}/file").content == exporting.as_csv(export)
    assert len(door.get(f"{path}/payouts")) == door.get(f"{path}/transfers")["count"] == 2
    text = "reference,state,base_units,tx_hash,words\r\nTX000001-00001,paid,325000,5sig,\r\n"
    for new in (1, 0):
        file = SimpleUploadedFile("results.csv", text.encode())
        assert door.send(f"{path}/results", {"file": file}, 200) == {"new": new}
    assert door.post("payout-exports", {"asset": USDC}, 409)["code"] == "nothing_is_due"
    assert door.post("payout-exports", {"asset": "iso4217:XXX"}, 400)["code"]
    for party in (ada, ben, lab):
        for method, place in (("GET", ""), ("GET", f"/{listed['id']}/file")):
            assert doors.of(party).raw(method, f"payout-exports{place}").status_code == 403
        assert doors.of(party).post("payout-exports", {"asset": USDC}, 403)["code"]
    assert doors.of(ada).get("payouts/progress")[0]["state"] == "paid"
    assert doors.of(ben).get("payouts/progress")[0]["state"] == "sent"
    named = doors.of(lab).post("payout-methods", {"address": ADAS}, 201)
    assert (named["address"], named["verified_at"] is not None) == (ADAS, True)
    refusal = doors.of(lab).post("payout-methods", {"address": f"{SOLANA}:0"}, 400)
    assert refusal["code"] == "bad_chain_account"
