"""The one reader of the environment: every setting that a process takes from outside."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

DEVELOPMENT_CHAIN = 31337
DEVELOPMENT_SECRET = "development-only-secret-that-is-refused-elsewhere"


class Environment(BaseSettings):
    """What may be set from outside, with defaults that need nothing on one machine."""

    model_config = SettingsConfigDict(env_prefix="TALLYMARK_", extra="ignore")

    data_folder: Path = Field(default=Path(".tallymark"), validation_alias="TALLYMARK_DATA")
    database_url: str = Field(default="", validation_alias="DATABASE_URL")
    database_owner_url: str = Field(default="", validation_alias="DATABASE_OWNER_URL")
    database_broker_url: str = Field(default="", validation_alias="DATABASE_BROKER_URL")
    broker_url: str = Field(default="", validation_alias="BROKER_URL")
    secret_key: str = DEVELOPMENT_SECRET
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = ""
    debug: bool = False
    chain_rpc_url: str = Field(default="http://127.0.0.1:8545", validation_alias="CHAIN_RPC_URL")
    chain_id: int = DEVELOPMENT_CHAIN
    chain_confirmations: int = 2
    chain_keys: dict[str, str] = {}
    payout_delay_seconds: int = 0
    payout_threshold_units: int = 0
    hold_back_days: int = 30
    local_import_roots: list[Path] = []
    allow_private_addresses: bool = False
    embedding_model: str = ""
    embedding_budget: int = 2_000
    period_zone: str = "UTC"
    run_silence_seconds: int = 86_400
    node_name: str = "tallymark"
    email_url: str = ""
    upload_limit_bytes: int = 20 * 2**30


@cache
def environment() -> Environment:
    """The environment of this process, read once."""
    return Environment()
