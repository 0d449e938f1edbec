"""The one reader of the environment: every setting that a process takes from outside."""

import ipaddress
import json
import os
import re
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

ROOT: Final = Path(__file__).resolve().parent.parent
DEVELOPMENT_CHAIN: Final = 31337
DEVELOPMENT_SECRET: Final = "development-only-secret-that-is-refused-elsewhere"  # noqa: S105
# The first accounts of the phrase that every development chain funds: everybody knows them.
DEVELOPMENT_KEYS: Final[dict[str, str]] = {
    "deployer": "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "anchorer": "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "proposer": "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "guardian": "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "treasury": "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
}

# Of a role whose key was replaced: what the old one has sent is seen through with it.
FORMER_KEY: Final = ".former"
KEY_ELSEWHERE: Final = re.compile("keystore:.+|kms:arn:.+")


class UnfitEnvironment(SystemExit):
    """The environment holds something that must not be; the message names the variable."""


class Signals(BaseModel):
    """From when on reports of use look wrong enough for a person to look (docs/signals.md)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # How long a number may be missing in a stream before anybody asks.
    gap_grace_seconds: int = Field(default=3_600, ge=0)
    # How far a run may be from its plan.
    plan_tolerance_percent: int = Field(default=20, ge=0)
    # Against at least so many earlier runs: so many (robust) standard deviations from their
    # median, and at least by this factor.
    history_runs: int = Field(default=12, ge=3)
    history_deviations: int = Field(default=5, ge=1)
    history_factor: int = Field(default=4, ge=2)
    size_tolerance_percent: int = Field(default=1, ge=0)
    # A lab's tokenizer may cut finer than ours.
    token_factor: int = Field(default=4, ge=1)
    # Of the smaller of two versions that are called one content.
    same_content_percent: int = Field(default=90, ge=1, le=100)
    meter_tolerance_percent: int = Field(default=20, ge=0)
    # A lab that fetched everything may use a part of it, but hardly less than one in so many.
    fetch_factor: int = Field(default=10, ge=1)
    # Differences of fewer records are let be.
    least_records: int = Field(default=10, ge=1)


Limits = dict[str, Annotated[Decimal, Field(ge=0)]]


class TwoPeople(BaseModel):
    """Up to which amounts an operator acts alone, in whole ones of an asset (docs/operating.md).

    By the asset's code, or `*` for every other; without either, everything takes two.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Money at stake in a conflict that is decided; a deposit that goes back; an entry made or
    # reversed by hand; what a payout tree or a payment run adds; a deposit that a person saw
    # arrive; how far a lab may owe; the treasury's own money.
    decision: Limits = {"*": Decimal(1_000)}
    refund: Limits = {"*": Decimal(1_000)}
    entry: Limits = {"*": Decimal(1_000)}
    payout: Limits = {"*": Decimal(10_000)}
    deposit: Limits = {"*": Decimal(10_000)}
    credit: Limits = {"*": Decimal(10_000)}
    funding: Limits = {"*": Decimal(10_000)}


class MoreChain(BaseModel):
    """A chain beside the ledger's own, on which owners are paid and labs deposit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rpc_url: str = Field(pattern="^https?://")
    # As chain_finality and its neighbours are for the ledger's own chain.
    finality: Literal["confirmations", "finalized"] = "confirmations"
    confirmations: int = Field(default=12, ge=0)
    fee_ceiling_gwei: int = Field(default=500, ge=1)
    # As the constructor of its contract had it.
    payout_delay_seconds: int = Field(default=86_400, ge=0)


class Environment(BaseSettings):
    """What may be set from outside, with defaults that need nothing on one machine."""

    model_config = SettingsConfigDict(env_prefix="TALLYMARK_", extra="ignore", frozen=True)

    data_folder: Path = Field(default=ROOT / ".tallymark", validation_alias="TALLYMARK_DATA")
    database_url: str = Field(default="", validation_alias="DATABASE_URL")
    database_owner_url: str = Field(default="", validation_alias="DATABASE_OWNER_URL")
    database_broker_url: str = Field(default="", validation_alias="DATABASE_BROKER_URL")
    broker_url: str = Field(default="", validation_alias="BROKER_URL")
    broker_visibility_seconds: int = Field(default=600, ge=1)
    secret_key: str = DEVELOPMENT_SECRET
    # Earlier ones, as a JSON list: what they hid can still be read.
    secret_key_fallbacks: list[str] = []
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65_535)
    public_url: str = ""
    debug: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    chain_rpc_url: str = Field(default="http://127.0.0.1:8545", validation_alias="CHAIN_RPC_URL")
    chain_id: int = DEVELOPMENT_CHAIN
    chain_confirmations: int = Field(default=2, ge=0)
    # What can no longer change: so many blocks under the newest, or what the node calls finalized.
    chain_finality: Literal["confirmations", "finalized"] = "confirmations"
    # No transaction offers more per gas; while blocks cost more, ours wait.
    chain_fee_ceiling_gwei: int = Field(default=500, ge=1)
    # For how many more transactions an account must have the gas, before operators are told.
    chain_gas_reserve: int = Field(default=50, ge=0)
    # By EIP-155 id, as JSON: TALLYMARK_MORE_CHAINS='{"8453": {"rpc_url": "https://..."}}'.
    more_chains: dict[int, MoreChain] = {}
    # By role: keystore:PATH or kms:ARN; on the development chain also the key itself.
    chain_keys: dict[str, str] = {}
    payout_delay_seconds: int = Field(default=0, ge=0)
    payout_threshold_units: int = Field(default=0, ge=0)
    # For how long nothing is paid to a new account or address, so that a stranger's is noticed.
    payout_account_hold_hours: int = Field(default=72, ge=0)
    # Addresses that are not paid, such as those of a sanctions list, as a JSON list.
    payout_refused_addresses: list[str] = []
    hold_back_days: int = Field(default=30, ge=0)
    quote_validity_days: int = Field(default=14, ge=1, le=366)
    # Where labs send tokens; empty: the treasury's address.
    deposit_address: str = Field(default="", pattern="^(0x[0-9a-fA-F]{40})?$")
    # By provider, the secrets that sign its events, all valid at once while one is replaced.
    payment_secrets: dict[str, list[str]] = {}
    # Of operators, and of whoever says where money goes; null: outside of the development chain.
    require_second_factor: bool | None = None
    # Whether a provider's test events (`livemode` false) count; null: on the development chain.
    payment_test_events: bool | None = None
    # The Hugging Face Hub, or a mirror of it, from which hf:// addresses are fetched.
    hub_address: str = "https://huggingface.co"
    local_import_roots: Annotated[list[Path], NoDecode] = []
    allow_private_addresses: bool = False
    # `bucket/prefix` each: where s3:// imports may read from; and how s3fs reaches them.
    s3_import_roots: list[str] = []
    s3_options: dict[str, Any] = {}
    embedding_model: str = ""
    # What a machine may keep of packed postings, so that many are looked up without the database.
    index_cache_bytes: int = Field(default=20 * 2**30, ge=0)
    embedding_budget: int = Field(default=2_000, ge=0)
    # What one party may ask a day, and a minute, before it trains.
    screening_records_per_day: int = Field(default=100_000, ge=0)
    screening_requests_per_minute: int = Field(default=60, ge=0)
    screening_file_records_per_day: int = Field(default=5_000_000, ge=1_000)
    period_zone: str = "UTC"
    # So long a lab may obtain a grant for what it used before the owner is told.
    grant_wait_days: int = Field(default=14, ge=0, le=366)
    run_silence_seconds: int = Field(default=86_400, ge=1)
    # As JSON: TALLYMARK_SIGNALS='{"plan_tolerance_percent": 30}'.
    signals: Signals = Signals()
    # As JSON: TALLYMARK_TWO_PEOPLE='{"payout": {"*": 5000, "iso4217:JPY": 800000}}'.
    two_people: TwoPeople = TwoPeople()
    # A file that your back-up of the database touches when it has ended.
    backup_mark: Path | None = None
    node_name: str = "tallymark"
    email_url: str = ""
    # Who letters are from; mail servers want an address of their own.
    email_from: str = Field(default="tallymark@localhost", pattern=r"^[^\r\n]+@[^\r\n]+$")
    upload_limit_bytes: int = Field(default=20 * 2**30, ge=1)

    @field_validator("local_import_roots", mode="before")
    @classmethod
    def _split_folders(cls, value: object) -> object:
        """Folders as a JSON list, or separated like those of PATH."""
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            return json.loads(value)
        return [folder for folder in value.split(os.pathsep) if folder]

    @field_validator("period_zone")
    @classmethod
    def _zone_is_known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is no time zone: write it like Europe/Paris") from error
        return value

    @model_validator(mode="after")
    def _development_stays_at_home(self) -> Self:
        """Refuse what everybody knows wherever it would guard something real."""
        if self.chain_id in self.more_chains:
            raise ValueError(
                f"TALLYMARK_MORE_CHAINS names {self.chain_id}, the ledger's own chain: set that one"
                " by CHAIN_RPC_URL and TALLYMARK_CHAIN_..."
            )
        real = sorted({self.chain_id, *self.more_chains} - {DEVELOPMENT_CHAIN})
        if self.secret_key == DEVELOPMENT_SECRET and not (is_loopback(self.host) and not real):
            raise ValueError(
                "TALLYMARK_SECRET_KEY is the development one: set it to a long random text"
                " before serving another machine or another chain"
            )
        if real:
            for role, key in self.chain_keys.items():
                if ":" not in key:
                    raise ValueError(
                        f"TALLYMARK_CHAIN_KEYS holds the key of {role} itself, which every process"
                        f" and every report of a crash can read. For chain {real[0]} put it"
                        " into a keystore (`./run manage make_keystore`, then keystore:PATH) or"
                        " into AWS KMS (kms:ARN); docs/keys.md says how, also for a key in use"
                    )
        elif not self.chain_keys:
            self.chain_keys.update(DEVELOPMENT_KEYS)
        return self

    @field_validator("payout_refused_addresses")
    @classmethod
    def _addresses_are_addresses(cls, value: list[str]) -> list[str]:
        for one in value:
            if not re.fullmatch("[0-9a-zA-Z]{20,120}", one):
                raise ValueError(f"{one!r} is no address: write it without its chain, like 0x…")
        return [one.lower() for one in value]

    @field_validator("payment_secrets")
    @classmethod
    def _secrets_are_secret(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        for provider, secrets in value.items():
            if not provider.isidentifier() or len(provider) > 40 or provider != provider.lower():
                raise ValueError(f"{provider!r} is no name of a provider: write it like stripe")
            if not secrets or any(len(secret) < 16 for secret in secrets):
                # The secret itself must not appear in a message.
                raise ValueError(f"the secrets of {provider!r} must have 16 characters or more")
        return value

    @field_validator("chain_keys")
    @classmethod
    def _keys_are_keys(cls, value: dict[str, str]) -> dict[str, str]:
        for role, key in value.items():
            try:
                fits = KEY_ELSEWHERE.fullmatch(key) is not None or 0 < int(key, 16) < 2**256
            except ValueError:
                fits = False
            if role.removesuffix(FORMER_KEY) not in DEVELOPMENT_KEYS or not fits:
                roles = ", ".join(DEVELOPMENT_KEYS)
                # The key itself must not appear in a message.
                raise ValueError(
                    f"the key of {role!r} is unusable: roles are {roles}; a key is keystore:PATH,"
                    " kms:ARN or, on the development chain, hexadecimal"
                )
        return dict(value)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@cache
def environment() -> Environment:
    """The environment of this process, read once; exits with what to change if it is unfit."""
    try:
        return Environment()
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        lines = [
            f"{'.'.join(map(str, fault['loc'])) or 'environment'}: {fault['msg']}"
            for fault in faults
        ]
        raise UnfitEnvironment("Tallymark cannot start:\n  " + "\n  ".join(lines)) from None
    except SettingsError as error:
        raise UnfitEnvironment(f"Tallymark cannot start: {error} (is it JSON?)") from None
