"""Keys in AWS KMS, which sign there and never leave it (spec ECC_SECG_P256K1, SIGN_VERIFY).

boto3 comes with the extra `kms`. Credentials are boto3's own affair: the machine's role, usually.
"""

from __future__ import annotations

from typing import Any

from provenance.signers.keys import DigestSigner, KeyMissing

# The order of secp256k1 (SEC 2): EIP-2 refuses a signature whose s is above its half.
ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
TIMEOUT_SECONDS = 10


class KmsKey(DigestSigner):
    """A key of AWS KMS, by its ARN."""

    def __init__(self, client: Any, arn: str) -> None:
        self._client, self._arn = client, arn
        self._address = _address(client.get_public_key(KeyId=arn)["PublicKey"])

    @property
    def address(self) -> str:
        """The address, with checksum."""
        return self._address

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign 32 bytes there; r, s and v are put into Ethereum's form here.

        Raises KeyMissing where KMS refuses or does not answer: nothing was signed then.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._client.sign(
                KeyId=self._arn,
                Message=digest,
                MessageType="DIGEST",
                SigningAlgorithm="ECDSA_SHA_256",
            )
        except (BotoCoreError, ClientError) as error:
            raise KeyMissing(f"KMS did not sign with {self._arn}: {error}") from error
        return _in_ethereums_form(digest, answer["Signature"], self._address)


def from_kms(arn: str) -> KmsKey:
    """The key of an ARN; raises KeyMissing with what to do."""
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise KeyMissing("Keys in KMS need boto3: `pip install boto3`, the extra `kms`.") from error
    parts = arn.split(":")
    if len(parts) != 6 or parts[2] != "kms":
        raise KeyMissing(f"{arn!r} is no ARN of a KMS key: arn:aws:kms:REGION:ACCOUNT:key/ID.")
    limits = Config(connect_timeout=TIMEOUT_SECONDS, read_timeout=TIMEOUT_SECONDS)
    try:
        return KmsKey(boto3.client("kms", region_name=parts[3], config=limits), arn)
    except (BotoCoreError, ClientError) as error:
        raise KeyMissing(f"KMS does not show {arn}: {error}") from error


def _address(public_key: bytes) -> str:
    """The address of a public key in DER (SubjectPublicKeyInfo)."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_der_public_key,
    )
    from eth_keys.datatypes import PublicKey

    found = load_der_public_key(public_key)
    if not isinstance(found, EllipticCurvePublicKey) or not isinstance(found.curve, SECP256K1):
        raise KeyMissing("This KMS key is not on Ethereum's curve: make it ECC_SECG_P256K1.")
    point = found.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return PublicKey(point[1:]).to_checksum_address()


def _in_ethereums_form(digest: bytes, der: bytes, address: str) -> bytes:
    """r, s, v of a signature in DER; s in the lower half, v found by whom it gives."""
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
    from eth_keys.datatypes import Signature
    from eth_keys.exceptions import BadSignature

    r, s = decode_dss_signature(der)
    s = min(s, ORDER - s)
    for parity in (0, 1):
        made = Signature(vrs=(parity, r, s))
        try:
            signer = made.recover_public_key_from_msg_hash(digest).to_checksum_address()
        except BadSignature:
            continue
        if signer == address:
            return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + parity])
    raise KeyMissing(f"KMS signed something else than it was given, or not as {address}.")
