"""Anybody can check every root that we propose, by a file that the chain vouches for."""

from __future__ import annotations

from hashlib import sha256

import pytest

from compensation import payouts, publication
from compensation.contracts import owner_payouts
from provenance import evm, merkle
from tests.doors import Door
from tests.paying import ADAS_ADDRESS, BENS_ADDRESS, address, earn

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def epoch(ada, ben, paid_lab, dollar, clock, drive):
    """A tree that owes Ada and Ben, on the chain."""
    for owner, name, where in ((ada, "essays", ADAS_ADDRESS), (ben, "notes", BENS_ADDRESS)):
        earn(paid_lab, owner, dollar, clock, name=name)
        address(owner, where, clock)
    made = payouts.build_epoch(dollar, clock())
    drive()
    return made


def fetched(url: str) -> bytes:
    answer = Door().get(url.partition("/api/v1/")[2])
    return b"".join(answer.streaming_content)


def proposal(epoch):
    chain = evm.connect()
    (log,) = chain.logs(
        owner_payouts(), epoch.contract.address, "RootProposed", from_block=0, to_block=chain.head()
    )
    return log.args


def test_the_published_file_is_the_one_that_the_chain_names_and_leads_to_its_root(epoch):
    proposed = proposal(epoch)
    content = fetched(proposed["uri"])
    assert sha256(content).digest() == proposed["leavesDigest"]
    head, _, body = content.partition(b"\n")
    words = head.decode().split(" ")
    assert words[:4] == ["tallymark-leaves/1", epoch.contract.caip10, "1", "2"]
    assert words[4:] == ["0x" + proposed["root"].hex(), str(proposed["total"])]
    leaves = [
        (row[:32], "0x" + row[32:52].hex(), int.from_bytes(row[52:], "big"))
        for row in (body[at : at + 68] for at in range(0, len(body), 68))
    ]
    assert [one[0] for one in leaves] == sorted(one[0] for one in leaves)
    assert sum(one[2] for one in leaves) == proposed["total"] == 500_000
    tree = merkle.Tree.of(payouts.LEAF_TYPES, leaves, sort_leaves=False)
    assert tree.root == proposed["root"]
    assert {one[1] for one in leaves} == {ADAS_ADDRESS, BENS_ADDRESS}


def test_the_file_names_nobody(epoch, ada):
    content = fetched(publication.where(epoch))
    assert ada.pk.bytes not in content
    assert bytes(ada.salt) not in content


def test_a_long_file_comes_in_pieces_that_are_the_same_file(epoch, monkeypatch):
    whole = fetched(publication.where(epoch))
    monkeypatch.setattr(publication, "LEAVES_AT_ONCE", 1)
    pieces = list(publication.leaves_file(epoch))
    assert (len(pieces), b"".join(pieces)) == (3, whole)


def test_a_tree_that_was_never_proposed_is_not_found(epoch):
    place = publication.where(epoch).partition("/api/v1/")[2]
    for wrong in (
        place.replace("/1/leaves", "/2/leaves"),
        place.replace("eip155:31337", "eip155:1"),
        place.replace(epoch.contract.address, ADAS_ADDRESS),
    ):
        Door().get(wrong, 404)
