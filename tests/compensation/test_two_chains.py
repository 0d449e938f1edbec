"""Two chains beside each other: one has the ledger; on both owners are paid and labs deposit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from eth_account import Account as Key
from eth_account.messages import encode_defunct
from tallymark.rpc import Node
from tallymark.verify import verify

from compensation import (
    billing,
    deposits,
    invariants,
    payees,
    payouts,
    proofs,
    reconciliation,
    settlement,
    transfers,
)
from compensation import deployment as compensation_deployment
from compensation.models import Asset, Charge, Deposit, Payout, PayoutEpoch, TransferCursor
from provenance import anchor, chains, deployment, evm, ledger, outbox, signers
from provenance.models import Anchor, ChainContract
from tests import anvil
from tests.paying import earn

pytestmark = pytest.mark.django_db(transaction=True)

HOME, OTHER = 1001, 1002
# The least that the contract takes on a chain that is not for development.
DELAY_SECONDS = 86_400
# TestToken stands on the development chain only; this one behaves unless it is told otherwise.
TOKEN = Path(__file__).parents[1] / "contracts" / "artefacts" / "HostileToken.json"
OWNER, LAB = Key.from_key("0x" + "3c" * 32), Key.from_key("0x" + "4d" * 32)


@pytest.fixture
def nodes(settings, tmp_path):
    """Two chains on which everything is real, with keys of our own and gas for them."""
    if not anvil.is_here():
        pytest.skip("anvil is not here: `./run faults --chain` fetches it from npm")
    with anvil.anvil(HOME) as home, anvil.anvil(OTHER) as other:
        settings.CHAIN_RPC_URL, settings.CHAIN_ID, settings.CHAIN_CONFIRMATIONS = home.url, HOME, 2
        settings.PAYOUT_DELAY_SECONDS, settings.HOLD_BACK_DAYS = DELAY_SECONDS, 0
        settings.PAYOUT_ACCOUNT_HOLD_HOURS = 0
        settings.MORE_CHAINS = {
            OTHER: {
                "rpc_url": other.url,
                "finality": "confirmations",
                "confirmations": 1,
                "fee_ceiling_gwei": 50,
                "payout_delay_seconds": 2 * DELAY_SECONDS,
            }
        }
        settings.CHAIN_KEYS = {role: _keystore(tmp_path, role) for role in signers.ROLES}
        both = {HOME: home, OTHER: other}
        people = [*map(signers.address, signers.ROLES), LAB.address]
        for node in both.values():
            node.rpc("evm_setAutomine", True)
            for address in people:
                node.rpc("anvil_setBalance", address, hex(10**20))
        yield both


def _keystore(folder, role: str) -> str:
    path = folder / f"{role}.json"
    path.write_text(json.dumps(Key.encrypt(Key.create().key, "x", kdf="pbkdf2", iterations=1)))
    secret = folder / f"{role}.json.passphrase"
    secret.write_text("x")
    secret.chmod(0o600)
    return f"keystore:{path}"


@pytest.fixture
def drive(nodes, clock):
    """Let both chains and the outbox come to rest, and book what they did."""

    def until_quiet() -> None:
        for _ in range(12):
            clock.pass_time(2 * DELAY_SECONDS)
            moved = 0
            for chain_id, node in nodes.items():
                node.rpc("evm_increaseTime", 2 * DELAY_SECONDS)
                outbox.send_all(chain_id=chain_id, at=clock())
                node.mine(4)
                outbox.send_all(chain_id=chain_id, at=clock())
                where = {"chain_id": chain_id, "at": clock()}
                moved += payouts.advance(**where) + settlement.settle(**where)
            anchor.settle(at=clock())
            rows = outbox.OutboxTransaction.objects.exclude(state__in=["final", "review"])
            waiting = PayoutEpoch.objects.exclude(state=PayoutEpoch.State.ACTIVE)
            if not moved and not rows.exists() and not waiting.exists():
                return

    return until_quiet


@pytest.fixture
def assets(nodes, clock, monkeypatch) -> dict[int, Asset]:
    """A dollar on each chain, payable, in the treasury and in the lab's wallet."""
    hostile = evm.load_artefact(TOKEN)
    order = deployment.Order(ChainContract.Kind.TEST_TOKEN, hostile, [], "dollar")
    made = {}
    for chain_id, node in nodes.items():
        # What waits for blocks makes them.
        monkeypatch.setattr(deployment.time, "sleep", lambda _, node=node: node.mine())
        where = {"chain_id": chain_id, "clock": clock, "say": print}
        token = deployment.deploy(orders=[order], **where)[0].address
        compensation_deployment.deploy_all(token=token, admin=signers.address("deployer"), **where)
        for name in (signers.address("treasury"), LAB.address):
            words = evm.encode_call(hostile, "transfer", name, 10**24)
            outbox.enqueue(
                purpose="give", idempotency_key=f"give:{name}", chain_id=chain_id, data=words,
                account=signers.address("deployer"), to_address=token, gas_limit=200_000,
                at=clock(),
            )  # fmt: skip
        made[chain_id] = compensation_deployment.payable_asset(
            token_address=token, chain_id=chain_id
        )
    return made


def name_address(owner, chain_id: int, clock) -> None:
    """An address on one chain, proved by the key's signature."""
    method = payees.add_method(party=owner, address=OWNER.address, chain_id=chain_id, at=clock())
    signed = OWNER.sign_message(encode_defunct(text=method.challenge))
    payees.verify_method(method=method, signature="0x" + signed.signature.hex(), at=clock())


def test_an_owner_is_paid_on_each_chain_in_its_own_token(
    nodes, assets, ada, lab, clock, drive, settings
):
    drive()
    for number, asset in enumerate(assets.values()):
        deposits.deposit(
            lab=lab, asset=asset, amount_units=10**9, reference=f"d{number}", at=clock()
        )
        earn(lab, ada, asset, clock, name=f"set {number}", records=10 - 6 * number)
    name_address(ada, OTHER, clock)
    assert [payouts.build_epochs(chain_id=one, at=clock()) for one in (HOME, OTHER)] == [0, 1]
    name_address(ada, HOME, clock)
    assert payouts.build_epochs(chain_id=HOME, at=clock()) == 1
    drive()
    assert PayoutEpoch.objects.filter(number=1, state=PayoutEpoch.State.ACTIVE).count() == 2
    for asset in assets.values():
        settlement.claim(party=ada, asset=asset, at=clock())
    drive()
    paid = {one.contract.chain_id: one.amount_units for one in Payout.objects.all()}
    assert paid == {HOME: 250_000, OTHER: 100_000}
    for chain_id, asset in assets.items():
        question = (evm.development_token(), asset.token_address, "balanceOf", OWNER.address)
        assert evm.connect(chain_id).call(*question) == paid[chain_id] * 10**9
    assert list(invariants.broken()) == []
    assert reconciliation.reconcile(at=clock()).is_clean


def test_the_ledger_is_anchored_at_home_and_the_proof_of_a_payment_elsewhere_names_both(
    nodes, assets, ada, lab, clock, drive
):
    drive()
    asset = assets[OTHER]
    deposits.deposit(lab=lab, asset=asset, amount_units=10**9, reference="d", at=clock())
    earn(lab, ada, asset, clock)
    name_address(ada, OTHER, clock)
    payouts.build_epochs(chain_id=OTHER, at=clock())
    drive()
    settlement.claim(party=ada, asset=asset, at=clock())
    drive()
    billing.seal_journal(at=clock())
    ledger.seal()
    anchor.anchor_next(at=clock())
    drive()
    assert {one.contract.chain_id for one in Anchor.objects.all()} == {HOME}
    with pytest.raises(deployment.ContractMissing):
        deployment.contract(ChainContract.Kind.LINEAGE_ANCHOR, chain_id=OTHER)
    proof = proofs.payment_proof(ada, Charge.objects.get())
    home, other = Node(nodes[HOME].url), Node(nodes[OTHER].url)
    assert verify(proof, node=[home, other]).failures == []
    assert verify(proof, node=[other, home]).failures == []
    assert "eip155:1002" in " ".join(verify(proof, node=home).failures)


def test_a_deposit_on_the_other_chain_is_credited_there(nodes, assets, lab, clock, drive):
    drive()
    for chain_id in (HOME, OTHER):
        transfers.watch(chain_id=chain_id, at=clock())
    named = transfers.name_address(lab=lab, address=LAB.address, chain_id=OTHER, at=clock())
    signed = LAB.sign_message(encode_defunct(text=named.challenge))
    transfers.verify_address(named=named, signature="0x" + signed.signature.hex(), at=clock())
    for chain_id, asset in assets.items():
        _pay(chain_id, asset, 700 * 10**9)
        nodes[chain_id].mine(4)
    assert [transfers.watch(chain_id=one, at=clock()) for one in (HOME, OTHER)] == [1, 1]
    (credited,) = Deposit.objects.all()
    # At home the lab has proved no address: that transfer waits for a person.
    assert (credited.asset, credited.amount_units) == (assets[OTHER], 700)
    assert TransferCursor.objects.count() == 2


def _pay(chain_id: int, asset: Asset, amount: int) -> None:
    """The lab's wallet sends tokens to where deposits go."""
    node = evm.connect(chain_id)
    fees = node.fees()
    fields = {"chainId": chain_id, "nonce": node.transaction_count(LAB.address), "value": 0}
    fields |= {"to": asset.token_address, "gas": 100_000}
    fields |= {"maxFeePerGas": fees.max_fee, "maxPriorityFeePerGas": fees.tip}
    fields["data"] = evm.encode_call(
        evm.development_token(), "transfer", transfers.deposit_address(), amount
    )
    node.broadcast(bytes(LAB.sign_transaction(fields).raw_transaction))


def test_a_chain_that_is_away_does_not_keep_the_other(nodes, assets, settings, clock, drive):
    drive()
    nodes[HOME].stop()
    done = chains.on_each(
        lambda chain_id: transfers.watch(chain_id=chain_id, at=clock()) + 1,
        unless=(evm.ChainUnreachable,),
        waits="deposits_wait",
    )
    assert done == 1
    with pytest.raises(evm.ChainUnreachable, match=nodes[HOME].url):
        transfers.watch(at=clock())


def test_a_chain_that_nobody_named_is_refused_with_where_to_name_it(nodes, ada, lab, clock):
    for refused in (
        lambda: payees.add_method(party=ada, address=OWNER.address, chain_id=10, at=clock()),
        lambda: transfers.name_address(lab=lab, address=LAB.address, chain_id=10, at=clock()),
        lambda: evm.connect(10),
    ):
        with pytest.raises(chains.UnknownChain) as refusal:
            refused()
        assert "1001, 1002; TALLYMARK_MORE_CHAINS" in refusal.value.next_step
    with pytest.raises(CommandError, match="On chain 1002 name the token"):
        call_command("deploy_contracts", chain=OTHER)


def test_public_keys_are_refused_as_soon_as_one_chain_is_real(settings):
    settings.CHAIN_ID, settings.CHAIN_KEYS = chains.DEVELOPMENT_CHAIN, {}
    settings.MORE_CHAINS = {8453: {}}
    with pytest.raises(signers.KeyMissing):
        signers.signer("treasury")
