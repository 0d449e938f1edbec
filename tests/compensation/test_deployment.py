"""One command puts the contracts on the chain and makes the token payable, once."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from compensation.contracts import owner_payouts
from compensation.models import Asset
from provenance import evm, signers
from provenance.models import ChainContract

pytestmark = pytest.mark.django_db(transaction=True)


def deploy(**options):
    said = StringIO()
    call_command("deploy_contracts", stdout=said, **options)
    return said.getvalue()


def test_the_first_run_deploys_and_the_second_finds_everything(chain):
    assert deploy().count("deployed ") == 3
    standing = set(ChainContract.objects.values_list("kind", "address"))
    again = deploy()
    assert "deployed " not in again
    assert again.count("stands at eip155:31337:0x") == 3
    assert set(ChainContract.objects.values_list("kind", "address")) == standing


def test_the_token_is_payable_and_the_treasury_can_pay(chain):
    deploy()
    token = ChainContract.objects.get(kind="test_token").address
    asset = Asset.objects.get()
    assert asset.code == f"eip155:31337/erc20:{token}"
    assert (asset.symbol, asset.scale, asset.token_decimals) == ("TUSD", 6, 6)
    treasury = signers.address("treasury")
    ask = evm.connect().call
    assert ask(evm.development_token(), token, "balanceOf", treasury) == 10**15


def test_the_payouts_contract_knows_its_token_delay_and_roles(chain, settings):
    settings.PAYOUT_DELAY_SECONDS = 7
    deploy()
    payouts = ChainContract.objects.get(kind="owner_payouts")
    call, artefact = evm.connect().call, owner_payouts()
    assert call(artefact, payouts.address, "token") == payouts.token_address
    assert call(artefact, payouts.address, "delay") == 7
    for role, name in (("PROPOSER_ROLE", "proposer"), ("GUARDIAN_ROLE", "guardian")):
        wanted = call(artefact, payouts.address, role)
        assert call(artefact, payouts.address, "hasRole", wanted, signers.address(name))


def test_another_chain_needs_a_named_token_and_administrator(settings):
    settings.CHAIN_ID = 1
    with pytest.raises(CommandError, match="--token 0x"):
        deploy()


def test_a_chain_that_is_away_is_said(settings, chain):
    settings.CHAIN_RPC_URL = "http://127.0.0.1:9"
    with pytest.raises(CommandError, match="does not answer: start it with"):
        deploy()
