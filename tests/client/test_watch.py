"""A stranger computes each payout again; a wrong root is named for what it is, and vetoed."""

from __future__ import annotations

import json
from contextlib import contextmanager
from hashlib import sha256

import pytest
from django.core.management import CommandError, call_command
from tallymark import cli
from tallymark.watching import files
from tallymark.watching.guardian import Guardian, NotAGuardian

from compensation import payouts, publication, totals
from compensation.contracts import owner_payouts
from compensation.models import PayoutEpoch, PayoutLeaf, PayoutTotals
from provenance import anchor, evm, ledger, merkle, outbox, signers
from tests.paying import ADAS_ADDRESS, BENS_ADDRESS, address, earn, earn_again

pytestmark = pytest.mark.django_db(transaction=True)

LEAF, TOTALS = "UPDATE compensation_payoutleaf SET", "UPDATE compensation_payouttotals SET"

DIGEST = b"\xd1" * 32


@pytest.fixture
def rest(chain, clock):
    """Let the outbox send, and nothing be activated."""

    def until_sent() -> None:
        for _ in range(3):
            outbox.send_all(chain_id=signers.DEVELOPMENT_CHAIN, at=clock())
            chain.mine(3)

    return until_sent


@pytest.fixture
def commit(clock, rest):
    """Seal and anchor what the ledger has."""

    def now() -> None:
        ledger.seal()
        anchor.anchor_next(at=clock())
        rest()
        anchor.settle(at=clock())

    return now


@pytest.fixture
def second(ada, ben, paid_lab, dollar, clock, drive, rest) -> PayoutEpoch:
    """The second epoch, proposed: Ada is owed 350,000 in all, Ben 250,000."""
    essays = earn(paid_lab, ada, dollar, clock)
    earn(paid_lab, ben, dollar, clock, name="notes")
    address(ada, ADAS_ADDRESS, clock)
    address(ben, BENS_ADDRESS, clock)
    payouts.build_epoch(dollar, clock())
    drive()
    earn_again(paid_lab, essays, clock, records=4)
    epoch = payouts.build_epoch(dollar, clock())
    rest()
    return epoch


@pytest.fixture
def look(live_server, chain, capsys):
    """`tallymark watch --once`: its exit status, and what it says of the proposed root."""

    def once(*more: str, service: str = "") -> tuple[int, dict]:
        options = ["--rpc", chain.url, "--service", service or live_server.url, "--json", "--once"]
        status = cli.main(["watch", *options, *more])
        said = capsys.readouterr()
        shown = json.loads(said.out)["roots"] if said.out else []
        pending = [one for one in shown if one["state"] == "pending"]
        return status, pending[0] if pending else {"err": said.err}

    return once


@pytest.fixture
def propose(clock, rest):
    """Propose what the published leaves give, whoever changed them, or another root."""

    def send(
        epoch: PayoutEpoch, *, root: bytes = b"", total: int | None = None, digest: bytes = b""
    ) -> bytes:
        leaves = list(epoch.leaves.order_by("position"))
        rows = [payouts.leaf_row(leaf) for leaf in leaves]
        chosen = root or merkle.Tree.of(payouts.LEAF_TYPES, rows).root
        owed = sum(int(leaf.cumulative) for leaf in leaves) if total is None else total
        file = digest or sha256(b"".join(publication.leaves_file(epoch))).digest()
        outbox.enqueue(
            purpose="propose a forged root",
            idempotency_key=f"forged:{chosen.hex()}:{owed}:{file.hex()}",
            account=signers.address("proposer"),
            to_address=epoch.contract.address,
            data=evm.encode_call(
                owner_payouts(), "proposeRoot", epoch.number, chosen, owed, file, ""
            ),
            gas_limit=300_000,
            chain_id=epoch.contract.chain_id,
            at=clock(),
        )
        rest()
        return chosen

    return send


def kinds(found) -> set[str]:
    return {one["kind"] for one in found["faults"]}


def words(found) -> str:
    return " ".join(one["words"] for one in found["faults"])


def test_a_right_root_passes_once_its_totals_are_anchored(second, commit, look, drive):
    status, found = look()
    assert (status, found["verdict"], kinds(found)) == (2, "waits", {"withheld"})
    commit()
    status, found = look()
    assert (status, found["verdict"], found["faults"], found["leaves"]) == (0, "sound", [], 2)
    assert "named them itself" in found["not_checked"][0]
    assert look(*known(second))[1]["not_checked"] == []
    drive()
    second.refresh_from_db()
    assert second.state == PayoutEpoch.State.ACTIVE
    assert look()[0] == 0


def known(epoch: PayoutEpoch) -> list[str]:
    """The contracts, as a stranger who wrote them down gives them."""
    return ["--contract", epoch.contract.caip10, "--anchor", totals.index()["anchors"][0]]


def forgeries(second, ada, ben):
    """What is changed here, what is proposed, and what the watcher finds and says of it."""
    payee = bytes(PayoutLeaf.objects.get(epoch=second, party=ben).payee_id)
    held = bytes(PayoutTotals.objects.get(epoch=second).file)
    raised = held.replace((350_000).to_bytes(16, "big"), (350_007).to_bytes(16, "big"))
    of_ada = f"WHERE epoch_id = {second.pk} AND party_id = '{ada.pk}'"
    of_ben = f"WHERE epoch_id = {second.pk} AND party_id = '{ben.pk}'"
    more = f"{LEAF} cumulative = 350007 {of_ada}"
    return [
        ([], {"root": b"\x13" * 32}, {"root"}, "The published leaves give the root"),
        ([], {"total": 600_001}, {"total"}, "600000, the chain was told a total of 600001"),
        ([], {"digest": DIGEST}, {"file"}, "the contract was told 0xd1d1d1d1d1d1d1d1…"),
        ([more], {}, {"growth"}, "a leaf of 350007 in all; the journal sent 350000: +7"),
        (
            [more, (f"{TOTALS} file = %s WHERE epoch_id = {second.pk}", [raised])],
            {},
            {"committed"},
            "not those that the ledger committed to",
        ),
        (
            [f"DELETE FROM compensation_payoutleaf {of_ben}"],
            {"total": 600_000},
            {"dropped", "total"},
            "was owed 250000 in all, and has no leaf any more",
        ),
        (
            [f"{LEAF} cumulative = 249999 {of_ada}"],
            {"total": 500_000},
            {"fell", "growth", "total"},
            "was owed 250000 in all, and its leaf fell to 249999",
        ),
        (
            [(f"{LEAF} payee_id = %s {of_ada}", [payee])],
            {},
            {"twice", "dropped", "growth"},
            "has 2 leaves",
        ),
    ]


def test_each_way_to_forge_a_root_is_named(second, ada, ben, commit, propose, look, as_table_owner):
    """Also where the service publishes what fits the forged root."""
    commit()
    as_table_owner.execute("ALTER TABLE compensation_payoutleaf DISABLE TRIGGER USER")
    for number, (changes, proposal, expected, said) in enumerate(forgeries(second, ada, ben)):
        with undone(as_table_owner, second):
            for change in changes:
                as_table_owner.execute(*((change,) if isinstance(change, str) else change))
            propose(second, **proposal)
            status, found = look()
        assert (status, kinds(found)) == (1, expected), number
        assert said in words(found), number
    propose(second)
    assert look()[0] == 0


@contextmanager
def undone(owner, epoch: PayoutEpoch):
    """Put the epoch's rows back afterwards."""
    tables = {"compensation_payoutleaf": "position", "compensation_payouttotals": "epoch_id"}
    for table in tables:
        where = f"WHERE epoch_id = {epoch.pk}"
        owner.execute(f"CREATE TEMPORARY TABLE kept_{table} AS SELECT * FROM {table} {where}")
    yield
    for table, order in tables.items():
        owner.execute(f"DELETE FROM {table} WHERE epoch_id = {epoch.pk}")
        owner.execute(f"INSERT INTO {table} SELECT * FROM kept_{table} ORDER BY {order}")
        owner.execute(f"DROP TABLE kept_{table}")


def test_the_published_files_are_those_that_the_client_reads(second, look):
    leaves = files.leaves(b"".join(publication.leaves_file(second)))
    assert files.root(leaves, bytes(second.root)) == bytes(second.root)
    sent = files.totals(bytes(PayoutTotals.objects.get(epoch=second).file))
    assert [one.sent for one in sent] == [one.cumulative for one in leaves]
    for spoilt in (b"", b"tallymark-leaves/1\n" + b"x" * 67, b"tallymark-leaves/2\n"):
        with pytest.raises(files.BadFile):
            files.leaves(spoilt)
    gone = "http://127.0.0.1:9"
    status, found = look(*known(second), service=gone)
    assert (status, found["verdict"], kinds(found)) == (2, "waits", {"withheld"})
    status, found = look(*known(second), "--patience-seconds", "0", service=gone)
    assert (status, found["verdict"]) == (1, "wrong")
    assert look(service=gone)[0] == 2


def key_file(tmp_path, role: str, mode: int = 0o600):
    path = tmp_path / f"{role}.key"
    path.write_text(signers.DEVELOPMENT_KEYS[role] + "\n")
    path.chmod(mode)
    return path


def test_a_guardians_veto_lands_and_what_was_vetoed_never_pays(
    second, commit, propose, look, tmp_path, clock, drive
):
    commit()
    status, found = look("--guardian-key-file", str(key_file(tmp_path, "treasury")))
    assert status == 2
    assert "is no guardian" in found["err"]
    guarded = ["--guardian-key-file", str(key_file(tmp_path, "guardian"))]
    status, found = look(*guarded)
    assert (status, found["veto_tx_hash"]) == (0, None)
    root = propose(second, total=600_001)
    status, found = look(*guarded)
    assert status == 1
    chain, contract = evm.connect(), second.contract.address
    (log,) = chain.logs(
        owner_payouts(), contract, "RootVetoed", from_block=0, to_block=chain.head()
    )
    assert (log.tx_hash, log.args["root"]) == (found["veto_tx_hash"], root)
    with pytest.raises(evm.CallReverted, match="NothingPending"):
        chain.call(owner_payouts(), contract, "activateRoot", 2)
    assert look(*guarded)[0] == 0
    proposed_again(second, clock, drive)


def proposed_again(epoch: PayoutEpoch, clock, drive) -> None:
    """Our own root, which the forged one had replaced, pays once a person proposed it again."""
    contract = epoch.contract.caip10
    drive()
    epoch.refresh_from_db()
    assert epoch.state != PayoutEpoch.State.ACTIVE
    with pytest.raises(CommandError, match="Only a root that was vetoed"):
        call_command("propose_again", contract=contract, reason=" ")
    call_command("propose_again", contract=contract, reason="the key was replaced")
    with pytest.raises(CommandError, match="still on its way"):
        call_command("propose_again", contract=contract, reason="twice")
    drive()
    epoch.refresh_from_db()
    assert epoch.state == PayoutEpoch.State.ACTIVE
    with pytest.raises(CommandError, match="No epoch"):
        call_command("propose_again", contract=contract, reason="again")


def test_a_key_that_cannot_be_used_is_refused_and_never_shown(tmp_path):
    with pytest.raises(NotAGuardian, match="chmod 600"):
        Guardian.from_file(key_file(tmp_path, "guardian", 0o644))
    spoilt = tmp_path / "spoilt"
    for text in ("0xc0ffee", '{"version": 3}'):
        spoilt.write_text(text)
        spoilt.chmod(0o600)
        with pytest.raises(NotAGuardian, match="holds no") as refusal:
            Guardian.from_file(spoilt)
        assert text not in str(refusal.value)
