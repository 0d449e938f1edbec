"""Tokens that labs send are credited once final, each transfer once, to whom it belongs."""

from __future__ import annotations

import pytest
from eth_account import Account as Key
from eth_account.messages import encode_defunct

from compensation import addresses, deployment, deposits, transfers
from compensation.models import Account, Asset, Deposit, PayingAddress, Transfer, TransferCursor
from provenance import evm, signers
from provenance.models import Event
from tests import doors, factories
from tests.compensation.conftest import held

pytestmark = pytest.mark.django_db(transaction=True)

Kind = Account.Kind
# A wallet of the lab's; the development chain lets anybody have one.
WALLET = Key.from_key("0x" + "1b" * 32)


@pytest.fixture
def dollar(chain, clock) -> Asset:
    """The test token, with our contracts."""
    deployment.deploy_all(
        token="", admin=signers.address("deployer"), clock=clock, say=lambda _: None
    )
    return Asset.objects.get()


@pytest.fixture
def pay(chain, dollar, clock):
    """Let the lab's wallet send us tokens; returns the hashes of the transactions."""

    def send(*amounts: int, wallet=WALLET, to: str = "") -> list[str]:
        token, node = dollar.token_address, evm.connect()
        _from_us(chain, node, wallet.address, token, sum(amounts))
        hashes = []
        for amount in amounts:
            data = evm.encode_call(
                evm.development_token(), "transfer", to or transfers.deposit_address(), amount
            )
            asked = _asked(node, wallet.address, token, data=data)
            signed = wallet.sign_transaction(asked)
            node.broadcast(bytes(signed.raw_transaction))
            chain.mine(1)
            hashes.append("0x" + bytes(signed.hash).hex())
        return hashes

    return send


def _from_us(chain, node, address: str, token: str, tokens: int) -> None:
    """Give the wallet what it will send, and gas."""
    deployer = signers.signer("deployer")
    mint = evm.encode_call(evm.development_token(), "mint", address, tokens)
    for to, value, data in [(address, 10**18, b""), (token, 0, mint)]:
        asked = _asked(node, deployer.address, to, value=value, data=data)
        node.broadcast(deployer.sign(asked).raw)
        chain.mine(1)


def _asked(node, sender: str, to: str, *, value: int = 0, data: bytes) -> dict:
    """The next transaction of `sender`, to be signed."""
    fees = node.fees()
    return {
        "chainId": node.chain_id,
        "nonce": node.transaction_count(sender),
        "to": to,
        "value": value,
        "gas": 200_000,
        "maxFeePerGas": fees.max_fee,
        "maxPriorityFeePerGas": fees.tip,
        "data": data,
    }


@pytest.fixture
def named(lab, dollar, clock) -> PayingAddress:
    return transfers.name_address(lab=lab, address=WALLET.address, at=clock())


def test_a_transfer_is_credited_once_it_is_final(chain, lab, dollar, named, pay, clock) -> None:
    (tx_hash,) = pay(2_500_000)
    assert transfers.watch(at=clock()) == 0
    assert held(dollar, Kind.LAB, lab) == 0
    chain.mine(2)
    assert transfers.watch(at=clock()) == 1
    assert transfers.watch(at=clock()) == 0
    assert held(dollar, Kind.LAB, lab) == 2_500_000
    deposit = Deposit.objects.get()
    assert deposit.reference.startswith(f"eip155:31337:{tx_hash}:")
    seen = Transfer.objects.get()
    assert (deposit.received_at, seen.deposit) == (seen.mined_at, deposit)


def test_reading_the_same_blocks_again_credits_nothing(
    chain, lab, dollar, named, pay, clock
) -> None:
    pay(100, 200)
    chain.mine(2)
    assert transfers.watch(at=clock()) == 2
    TransferCursor.objects.update(next_block=0)
    assert transfers.watch(at=clock()) == 0
    assert held(dollar, Kind.LAB, lab) == 300


def test_a_stranger_waits_for_an_operator(chain, lab, dollar, pay, clock, olga) -> None:
    pay(700)
    chain.mine(2)
    transfers.watch(at=clock())
    (seen,) = Transfer.objects.filter(deposit=None)
    assert seen.sender == WALLET.address
    for _ in range(2):
        transfers.assign(transfer=seen, lab=lab, reason="mail of 1 March", at=clock(), by=olga)
    assert held(dollar, Kind.LAB, lab) == 700
    other = factories.party("Dune Data", is_lab=True)
    with pytest.raises(transfers.TransferAssigned):
        transfers.assign(transfer=seen, lab=other, reason="", at=clock(), by=olga)


def test_naming_the_address_later_credits_what_came_before(chain, lab, dollar, pay, clock) -> None:
    pay(700)
    chain.mine(2)
    transfers.watch(at=clock())
    transfers.name_address(lab=lab, address=WALLET.address, at=clock())
    assert held(dollar, Kind.LAB, lab) == 700


def test_our_own_moves_and_transfers_of_nothing_are_no_deposits(
    chain, lab, dollar, named, pay, clock
) -> None:
    """The treasury was filled by minting; a transfer of nothing costs nobody anything."""
    pay(0)
    chain.mine(3)
    assert transfers.watch(at=clock()) == 0
    assert not Transfer.objects.exists()


def test_what_goes_elsewhere_is_not_ours(chain, lab, dollar, named, pay, clock) -> None:
    pay(900, to=signers.address("guardian"))
    chain.mine(2)
    assert transfers.watch(at=clock()) == 0


def test_a_removed_address_counts_no_longer(chain, lab, dollar, named, pay, clock) -> None:
    transfers.remove_address(named=named, at=clock())
    pay(700)
    chain.mine(2)
    transfers.watch(at=clock())
    assert held(dollar, Kind.LAB, lab) == 0
    assert Transfer.objects.get().deposit is None


def test_a_transaction_that_was_written_down_by_hand_is_not_credited_again(
    chain, lab, dollar, named, pay, clock, olga
) -> None:
    (tx_hash,) = pay(700)
    deposits.deposit(lab=lab, asset=dollar, amount_units=700, reference=tx_hash, at=clock())
    chain.mine(2)
    transfers.watch(at=clock())
    assert held(dollar, Kind.LAB, lab) == 700
    with pytest.raises(deposits.ReferenceUsed):
        transfers.assign(transfer=Transfer.objects.get(), lab=lab, reason="", at=clock(), by=olga)


def test_elsewhere_an_address_counts_once_its_holder_has_signed(lab, clock, settings) -> None:
    settings.CHAIN_ID = 10
    named = transfers.name_address(lab=lab, address=WALLET.address.lower(), at=clock())
    assert named.verified_at is None
    stranger = Key.from_key("0x" + "2c" * 32)
    for key, words in ((stranger, named.challenge), (WALLET, "something else")):
        signature = "0x" + bytes(key.sign_message(encode_defunct(text=words)).signature).hex()
        with pytest.raises(addresses.NotTheHolder):
            transfers.verify_address(named=named, signature=signature, at=clock())
    signed = WALLET.sign_message(encode_defunct(text=named.challenge)).signature
    other = factories.party("Dune Data", is_lab=True)
    theirs = transfers.name_address(lab=other, address=WALLET.address, at=clock())
    transfers.verify_address(named=named, signature="0x" + bytes(signed).hex(), at=clock())
    assert Event.objects.filter(kind="paying_address.verified").count() == 1
    signed = WALLET.sign_message(encode_defunct(text=theirs.challenge)).signature
    with pytest.raises(transfers.AddressIsAnothers):
        transfers.verify_address(named=theirs, signature="0x" + bytes(signed).hex(), at=clock())


def test_the_doors_show_each_lab_its_own(chain, lab, dollar, pay, clock, operator, olga) -> None:
    door, others = doors.of(lab), doors.of(factories.party("Dune Data", is_lab=True))
    named = door.post("paying-addresses", {"address": WALLET.address}, 201)
    assert named["pay_to"] == transfers.deposit_address()
    pay(700)
    chain.mine(2)
    transfers.watch(at=clock())
    (seen,) = door.get("transfers")["results"]
    assert (seen["amount_units"], seen["lab"]["id"]) == (700, str(lab.pk))
    for path in ("transfers", "paying-addresses"):
        assert others.get(path)["results"] == []
    others.get(f"transfers/{seen['id']}", 404)
    others.post(f"paying-addresses/{named['id']}/remove", {}, 404)
    body = {"lab": str(lab.pk), "reason": "x"}
    assert door.post(f"transfers/{seen['id']}/assign", body, 403)["code"] == "operators_only"
    staff = doors.of(operator, by=olga)
    assert len(staff.get("transfers?is_unassigned=false")["results"]) == 1
    assert staff.post(f"transfers/{seen['id']}/assign", body)["lab"]["id"] == str(lab.pk)
    assert staff.post(f"paying-addresses/{named['id']}/remove", {}, 403)["code"] == "owners_only"
    assert door.post(f"paying-addresses/{named['id']}/remove", {})["removed_at"]
