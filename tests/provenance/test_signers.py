"""Keys live where the operator says, and what they sign the chain believes."""

from __future__ import annotations

import json
import os
from io import StringIO

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from django.core.management import CommandError, call_command
from eth_account import Account
from eth_account.messages import encode_defunct

from provenance import evm, signers
from provenance.signers import kms
from provenance.signers.keystore import from_keystore

REGION = "eu-west-1"
# Vitalik Buterin's example of a V3 keystore (Web3 Secret Storage, test vector of PBKDF2-SHA-256).
VECTOR = {
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf": "pbkdf2",
        "kdfparams": {
            "c": 262144,
            "dklen": 32,
            "prf": "hmac-sha256",
            "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd",
        },
        "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2",
    },
    "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
    "version": 3,
}
VECTOR_PASSPHRASE = "testpassword"
VECTOR_KEY = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
CALL = {
    "type": 2,
    "chainId": 1,
    "nonce": 7,
    "to": "0x00000000000000000000000000000000000000A1",
    "value": 0,
    "data": b"\x01\x02",
    "gas": 50_000,
    "maxFeePerGas": 3 * evm.GWEI,
    "maxPriorityFeePerGas": evm.GWEI,
}


@pytest.fixture
def vault(tmp_path):
    """The keystore of the published vector, as an operator would lay it down."""
    path = tmp_path / "anchorer.json"
    path.write_text(json.dumps(VECTOR))
    passphrase = tmp_path / "anchorer.json.passphrase"
    passphrase.write_text(VECTOR_PASSPHRASE + "\n")
    passphrase.chmod(0o600)
    return path


@pytest.fixture
def on_a_real_chain(settings):
    settings.CHAIN_ID = 8453
    settings.CHAIN_KEYS = {}
    return settings


@pytest.fixture
def key_of_aws(monkeypatch):
    """A key of moto's KMS. Moto hashes what is a digest already; AWS signs it as it is."""
    moto = pytest.importorskip("moto")
    import boto3
    from moto.kms.utils import ECDSAPrivateKey

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setattr(
        ECDSAPrivateKey,
        "sign",
        lambda self, digest, _: self.private_key.sign(digest, ec.ECDSA(utils.Prehashed(SHA256()))),
    )
    with moto.mock_aws():
        client = boto3.client("kms", region_name=REGION)
        made = client.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_SECG_P256K1")
        yield made["KeyMetadata"]["Arn"]


def test_a_keystore_opens_with_the_passphrase_beside_it(vault):
    assert from_keystore(str(vault)).address == Account.from_key(VECTOR_KEY).address


def test_a_passphrase_may_stand_in_another_file(vault, tmp_path):
    elsewhere = tmp_path / "secrets"
    vault.with_name("anchorer.json.passphrase").rename(elsewhere)
    assert from_keystore(f"{vault}?passphrase={elsewhere}").address
    with pytest.raises(signers.KeyMissing, match=r"anchorer.json.passphrase cannot be read"):
        from_keystore(str(vault))


def test_a_wrong_passphrase_or_a_file_that_is_no_keystore_says_so(vault):
    vault.with_name("anchorer.json.passphrase").write_text("another\n")
    with pytest.raises(signers.KeyMissing, match="does not open with its passphrase") as refused:
        from_keystore(str(vault))
    assert "another" not in str(refused.value)
    vault.write_text("{}")
    with pytest.raises(signers.KeyMissing, match="is none"):
        from_keystore(str(vault))


def test_a_passphrase_that_others_can_read_is_refused(vault):
    vault.with_name("anchorer.json.passphrase").chmod(0o640)
    with pytest.raises(signers.KeyMissing, match="chmod 600"):
        from_keystore(str(vault))


def test_a_role_signs_with_its_keystore_on_a_real_chain(vault, on_a_real_chain):
    on_a_real_chain.CHAIN_KEYS = {"anchorer": f"keystore:{vault}"}
    signed = signers.signer("anchorer").sign(CALL)
    assert Account.recover_transaction(signed.raw) == signers.address("anchorer")
    assert signers.accounts() == {signers.address("anchorer"): ["anchorer"]}


def test_a_key_in_the_environment_is_refused_outside_development(on_a_real_chain):
    on_a_real_chain.CHAIN_KEYS = {"anchorer": VECTOR_KEY}
    with pytest.raises(signers.KeyMissing, match="stands in the environment") as refused:
        signers.signer("anchorer")
    assert VECTOR_KEY[:12] not in str(refused.value)
    with pytest.raises(signers.KeyMissing, match="No key for 'proposer'"):
        signers.signer("proposer")


def test_a_public_key_is_refused_on_a_real_chain_also_from_a_keystore(on_a_real_chain, tmp_path):
    path = tmp_path / "known.json"
    known = signers.LocalKey(signers.DEVELOPMENT_KEYS["guardian"])
    path.write_text(json.dumps(known.encrypted("x")))
    path.with_name("known.json.passphrase").write_text("x")
    path.with_name("known.json.passphrase").chmod(0o600)
    on_a_real_chain.CHAIN_KEYS = {"anchorer": f"keystore:{path}"}
    with pytest.raises(signers.KeyMissing, match="public development key"):
        signers.signer("anchorer")


def test_a_role_whose_key_cannot_be_had_does_not_stop_the_others(vault, on_a_real_chain):
    on_a_real_chain.CHAIN_KEYS = {
        "anchorer": "keystore:/nowhere/key.json",
        "proposer": f"keystore:{vault}",
    }
    account = Account.from_key(VECTOR_KEY).address
    assert signers.signer_for(account).address == account
    with pytest.raises(signers.KeyMissing, match="No key for 0x00"):
        signers.signer_for("0x00000000000000000000000000000000000000A1")


def test_kms_signs_transactions_words_and_digests_as_its_own_address(key_of_aws, on_a_real_chain):
    on_a_real_chain.CHAIN_KEYS = {"anchorer": f"kms:{key_of_aws}"}
    signer = signers.signer("anchorer")
    # Half of all signatures have an s that must be turned round, half a v of 28.
    for number in range(12):
        signed = signer.sign(CALL | {"nonce": number})
        assert Account.recover_transaction(signed.raw) == signer.address
        words = f"number {number}"
        made = signer.sign_words(words)
        assert Account.recover_message(encode_defunct(text=words), signature=made) == signer.address
        assert int.from_bytes(made[32:64], "big") <= kms.ORDER // 2


def test_kms_and_a_key_in_memory_sign_the_same_bytes_of_a_transaction():
    ours = signers.LocalKey(VECTOR_KEY).sign(CALL)
    theirs = Account.from_key(VECTOR_KEY).sign_transaction(CALL)
    assert ours.raw == bytes(theirs.raw_transaction)
    assert ours.tx_hash == "0x" + bytes(theirs.hash).hex()


def test_a_kms_key_that_is_none_of_ethereums_or_that_aws_does_not_show_says_so(key_of_aws):
    import boto3

    client = boto3.client("kms", region_name=REGION)
    other = client.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]
    with pytest.raises(signers.KeyMissing, match="make it ECC_SECG_P256K1"):
        kms.from_kms(other["Arn"])
    with pytest.raises(signers.KeyMissing, match="KMS does not show"):
        kms.from_kms(key_of_aws[:-4] + "0000")
    with pytest.raises(signers.KeyMissing, match="is no ARN"):
        kms.from_kms("alias/anchorer")


def test_a_kms_that_does_not_sign_is_a_key_that_is_missing_for_now(key_of_aws, monkeypatch):
    from botocore.exceptions import EndpointConnectionError

    signer = kms.from_kms(key_of_aws)

    def away(**_):
        raise EndpointConnectionError(endpoint_url="https://kms.eu-west-1.amazonaws.com")

    monkeypatch.setattr(signer._client, "sign", away)
    with pytest.raises(signers.KeyMissing, match="did not sign"):
        signer.sign(CALL)


def test_a_signature_of_something_else_is_never_passed_on(key_of_aws, monkeypatch):
    signer = kms.from_kms(key_of_aws)
    stranger = ec.generate_private_key(ec.SECP256K1())
    answer = stranger.sign(bytes(32), ec.ECDSA(utils.Prehashed(SHA256())))
    monkeypatch.setattr(signer._client, "sign", lambda **_: {"Signature": answer})
    with pytest.raises(signers.KeyMissing, match="signed something else"):
        signer.sign_digest(bytes(32))


def test_make_keystore_makes_a_key_that_only_its_owner_reads(tmp_path):
    path, said = tmp_path / "new.json", StringIO()
    call_command("make_keystore", str(path), stdout=said)
    made = from_keystore(str(path))
    assert made.address in said.getvalue()
    assert f"keystore:{path}" in said.getvalue()
    for file in (path, path.with_name("new.json.passphrase")):
        assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="is there already"):
        call_command("make_keystore", str(path), stdout=StringIO())


def test_make_keystore_takes_over_a_key_that_is_in_use(tmp_path, monkeypatch):
    path = tmp_path / "old.json"
    monkeypatch.setattr("sys.stdin", StringIO(VECTOR_KEY + "\n"))
    call_command("make_keystore", str(path), "--import", stdout=StringIO())
    assert from_keystore(str(path)).address == Account.from_key(VECTOR_KEY).address
    monkeypatch.setattr("sys.stdin", StringIO("hello\n"))
    with pytest.raises(CommandError, match="64 hexadecimal digits"):
        call_command("make_keystore", str(tmp_path / "none.json"), "--import", stdout=StringIO())
    assert not os.path.exists(tmp_path / "none.json")
