"""An address is proved by a sign-in message, signed by its key or its contract wallet, once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given
from hypothesis import strategies as st

from compensation import addresses, ownership, payees, siwe
from compensation.models import PayoutMethod
from deploy.environment import Environment
from provenance import evm, mailing
from tests import doors, factories
from tests.cast import NOON
from tests.ground import Ground

WALLET = Account.from_key("0x" + "51" * 32)
STRANGER = Account.from_key("0x" + "52" * 32)
ELSEWHERE = 1  # Ethereum's main chain, where addresses need a proof.
SLOW = {
    "finality": "finalized",
    "confirmations": 12,
    "fee_ceiling_gwei": 50,
    "payout_delay_seconds": 86_400,
}


def signed(text, wallet=WALLET):
    return "0x" + wallet.sign_message(encode_defunct(text=text)).signature.hex().removeprefix("0x")


@pytest.fixture(autouse=True)
def elsewhere(settings, monkeypatch):
    """A second chain, on which no contract stands at any address."""
    settings.MORE_CHAINS = {ELSEWHERE: {"rpc_url": "http://127.0.0.1:9", **SLOW}}
    accepts = ownership._accepts
    monkeypatch.setattr(
        ownership,
        "_accepts",
        lambda chain_id, *of: chain_id != ELSEWHERE and accepts(chain_id, *of),
    )


@pytest.fixture
def named(ada):
    return payees.add_method(party=ada, address=WALLET.address, chain_id=ELSEWHERE, at=NOON)


def prove(method, *, text="", wallet=WALLET, at=NOON):
    text = text or method.challenge
    return payees.verify_method(method=method, message=text, signature=signed(text, wallet), at=at)


def test_the_challenge_is_a_sign_in_message_for_this_service_alone(named, ada, settings):
    message = siwe.parse(named.challenge)
    assert settings.PUBLIC_URL.endswith(message.domain)
    assert (message.address, message.chain_id) == (WALLET.address, ELSEWHERE)
    assert (message.nonce, message.request_id) == (named.nonce, str(named.pk))
    assert str(ada.pk) in message.statement
    assert message.expires_at - message.issued_at == timedelta(hours=1)


def test_a_proved_address_waits_and_everybody_who_minds_the_money_is_told(named, ada, settings):
    factories.user("fin@aurora.example", party=ada, role="finance")
    done = prove(named)
    mailing.send_due(at=NOON)
    assert done.held_until == NOON + timedelta(hours=settings.PAYOUT_ACCOUNT_HOLD_HOURS)
    assert not done.is_payable(NOON + timedelta(hours=1))
    assert done.is_payable(done.held_until)
    assert [letter.to for letter in mail.outbox] == [["fin@aurora.example"]]
    assert WALLET.address in mail.outbox[0].body


def test_another_key_or_another_text_proves_nothing(named):
    with pytest.raises(addresses.NotTheHolder):
        prove(named, wallet=STRANGER)
    for change in (
        lambda text: text.replace("wants you", "wants  you"),
        lambda text: text + "\n",
        lambda text: text.replace("Chain ID: 1", "Chain ID: 2"),
        lambda text: text.replace(WALLET.address, STRANGER.address),
        lambda text: text.replace("Payouts of", "Nothing of"),
        lambda text: "evil.example" + text[text.index(" wants") :],
        lambda text: text.replace("URI: http", "URI: https"),
        lambda text: "Please sign this.",
    ):
        with pytest.raises(ownership.NotThisMessage):
            prove(named, text=change(named.challenge))
    named.refresh_from_db()
    assert named.verified_at is None


def test_a_message_ends_and_one_of_the_future_has_not_begun(named):
    for at in (NOON + timedelta(hours=1), NOON - timedelta(hours=1)):
        with pytest.raises(ownership.MessageExpired):
            prove(named, at=at)
    longer = named.challenge.replace("Expiration Time: 2026", "Expiration Time: 2027")
    assert siwe.parse(longer).expires_at.year == 2027
    with pytest.raises(ownership.NotThisMessage):
        prove(named, text=longer, at=NOON + timedelta(days=2))


def test_a_nonce_counts_once_and_only_the_last(named, ada):
    old = named.challenge
    fresh = payees.challenge(method=named, at=NOON + timedelta(minutes=1))
    with pytest.raises(ownership.NonceUsed):
        prove(fresh, text=old)
    done = prove(fresh, at=NOON + timedelta(minutes=2))
    assert done.nonce == ""
    payees.remove_method(method=done, at=NOON + timedelta(minutes=3))
    again = payees.add_method(party=ada, address=WALLET.address, chain_id=ELSEWHERE, at=NOON)
    for text in (old, fresh.challenge):
        with pytest.raises((ownership.NonceUsed, ownership.NotThisMessage)):
            prove(again, text=text)


def test_a_proof_that_overtakes_a_new_challenge_is_not_taken(named):
    """The row is read before the signature is checked, and again after."""
    stale = PayoutMethod.objects.get(pk=named.pk)
    payees.challenge(method=named, at=NOON)
    with pytest.raises(ownership.NonceUsed):
        prove(stale)


def test_the_api_takes_the_partys_own_proof_and_no_other(ada, ben, lab):
    mine, theirs = doors.of(ada), doors.of(ben)
    given = {"address": WALLET.address, "chain_id": ELSEWHERE}
    made = mine.post("payout-methods", given, 201)
    path = f"payout-methods/{made['id']}"
    proof = {"signature": signed(made["challenge"])}
    theirs.post(f"{path}/verify", proof, 404)
    theirs.post(f"{path}/challenge", status=404)
    doors.read_only(ada).post(f"{path}/verify", proof, 403)
    # Ben names Ada's address and shows her signature of her own text.
    his = theirs.post("payout-methods", given, 201)
    stolen = proof | {"message": made["challenge"]}
    assert theirs.post(f"payout-methods/{his['id']}/verify", stolen, 400)["code"] == (
        "not_this_message"
    )
    assert theirs.post(f"payout-methods/{his['id']}/verify", proof, 409)["code"] == (
        "not_the_holder"
    )
    fresh = mine.post(f"{path}/challenge")
    assert fresh["challenge"] != made["challenge"]
    old = proof | {"message": made["challenge"]}
    assert mine.post(f"{path}/verify", old, 409)["code"] == "nonce_used"
    done = mine.post(f"{path}/verify", {"signature": signed(fresh["challenge"])})
    assert done["verified_at"]
    assert done["held_until"]


def test_an_address_on_the_operators_list_is_refused_in_words(ada, named, settings):
    settings.PAYOUT_REFUSED_ADDRESSES = frozenset({WALLET.address.lower()})
    given = {"address": WALLET.address, "chain_id": ELSEWHERE}
    refused = doors.of(ada).post("payout-methods", given, 403)
    assert refused["code"] == "address_refused"
    assert "ask the operator" in refused["hint"]
    with pytest.raises(ownership.AddressRefused):
        prove(named)


def test_the_list_of_refused_addresses_is_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("TALLYMARK_PAYOUT_REFUSED_ADDRESSES", f'["{WALLET.address}"]')
    assert Environment().payout_refused_addresses == [WALLET.address.lower()]
    monkeypatch.setenv("TALLYMARK_PAYOUT_REFUSED_ADDRESSES", '["somebody"]')
    with pytest.raises(ValueError, match="is no address"):
        Environment()


def wallet_code(owner):
    """Runtime code of a contract wallet (EIP-1271): it accepts what ecrecover says `owner` signed.

    Memory: hash, v, r, s from the calldata of isValidSignature(bytes32,bytes); the answer at 0x80.
    """
    runtime = bytes.fromhex(
        "600435600052"  # mem[0] = hash
        "60a43560001a602052"  # mem[0x20] = v
        "606435604052"  # mem[0x40] = r
        "608435606052"  # mem[0x60] = s
        "6020608060806000600161fffffa50"  # staticcall(0xffff, ecrecover, 0, 0x80, 0x80, 0x20)
        "73" + owner[2:] + "60805114"  # mem[0x80] == owner
        "631626ba7e0260e01b60005260206000f3"  # return(that * 0x1626ba7e << 224)
    )
    size = len(runtime).to_bytes(1, "big").hex()
    return bytes.fromhex(f"60{size}600c60003960{size}6000f3") + runtime


@pytest.mark.django_db(transaction=True)
def test_a_contract_wallet_proves_its_address_by_its_own_word(ada, chain, settings):
    ground = Ground(chain)
    wallet = ground.send(None, wallet_code(WALLET.address), ground.admin).contract_address
    here = evm.caip2(settings.CHAIN_ID)
    made = PayoutMethod.objects.create(
        party=ada, address=f"{here}:{wallet}", chain=here, added_at=NOON
    )
    named = payees.challenge(method=made, at=NOON)
    with pytest.raises(addresses.NotTheHolder):
        prove(named, wallet=STRANGER)
    empty = ground.stranger()
    elsewhere = PayoutMethod.objects.create(
        party=ada, address=f"{here}:{empty}", chain=here, added_at=NOON
    )
    with pytest.raises(addresses.NotTheHolder):
        prove(payees.challenge(method=elsewhere, at=NOON))
    done = prove(named)
    assert (done.chain_address, done.verified_at) == (wallet, NOON)


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), min_size=1)
moments = st.datetimes(min_value=NOON.replace(tzinfo=None), timezones=st.just(NOON.tzinfo))


@given(words, st.integers(1, 2**60), moments)
def test_what_is_built_is_read_back(statement, chain_id, moment):
    message = siwe.Message(
        "ledger.example", WALLET.address, statement, "https://ledger.example", chain_id,
        "0123456789abcdef", moment.replace(microsecond=0), moment.replace(microsecond=0), "r1",
    )  # fmt: skip
    assert siwe.parse(message.text()) == message


@given(st.text())
def test_other_texts_are_no_messages(text):
    with pytest.raises(siwe.NotAMessage):
        siwe.parse(text)
