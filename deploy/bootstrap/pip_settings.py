"""Read pip's configuration and say it in uv's words, so that both install from the same places.

A company's mirror, a folder of wheels or a private certificate is configured once, for pip;
uv reads none of it.
"""

import ast
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# pip reads its sections in this order, and the later one wins.
SECTIONS = ("global", "download", "install", ":env:")


@dataclass(frozen=True)
class PipSettings:
    """The part of pip's configuration that says where packages come from."""

    index_url: str = ""
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    trusted_hosts: tuple[str, ...] = ()
    no_index: bool = False
    cert: str = ""
    client_cert: str = ""
    proxy: str = ""
    timeout_seconds: str = ""
    only_binary: tuple[str, ...] = ()
    no_binary: tuple[str, ...] = ()

    @property
    def is_default(self) -> bool:
        """Whether packages come from the public index and nowhere else."""
        return not (self.index_url or self.extra_index_urls or self.find_links or self.no_index)


def parse(listing: str) -> PipSettings:
    """The settings in what `pip config list` prints: lines like `global.index-url='https://..'`."""
    sections: dict[str, dict[str, str]] = {}
    for line in listing.splitlines():
        name, equals, shown = line.partition("=")
        section, dot, key = name.rpartition(".")
        if not equals or not dot:
            continue
        try:
            value = str(ast.literal_eval(shown))
        except (ValueError, SyntaxError):
            value = shown
        sections.setdefault(section, {})[key.replace("_", "-")] = value
    merged: dict[str, str] = {}
    for section in SECTIONS:
        merged |= sections.get(section, {})
    return PipSettings(
        index_url=merged.get("index-url", ""),
        extra_index_urls=tuple(merged.get("extra-index-url", "").split()),
        find_links=tuple(merged.get("find-links", "").split()),
        trusted_hosts=tuple(merged.get("trusted-host", "").split()),
        no_index=merged.get("no-index", "").lower() in ("1", "true", "yes", "on"),
        cert=merged.get("cert", ""),
        client_cert=merged.get("client-cert", ""),
        proxy=merged.get("proxy", ""),
        timeout_seconds=merged.get("timeout", merged.get("default-timeout", "")),
        only_binary=tuple(merged.get("only-binary", "").replace(",", " ").split()),
        no_binary=tuple(merged.get("no-binary", "").replace(",", " ").split()),
    )


def read(python: Path) -> PipSettings:
    """The settings of the pip that belongs to `python`."""
    done = subprocess.run(
        [str(python), "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    return parse(done.stdout)


def uv_arguments(settings: PipSettings) -> list[str]:
    """The same places as arguments of `uv pip install`."""
    arguments: list[str] = []
    if settings.no_index:
        arguments.append("--no-index")
    else:
        if settings.index_url:
            arguments += ["--default-index", settings.index_url]
        for url in settings.extra_index_urls:
            arguments += ["--index", url]
        if settings.extra_index_urls:
            # pip looks for a version in all of its indexes; uv by itself stops at the first.
            arguments += ["--index-strategy", "unsafe-best-match"]
    for place in settings.find_links:
        arguments += ["--find-links", place]
    for host in settings.trusted_hosts:
        arguments += ["--allow-insecure-host", host]
    for option, names in (
        ("--only-binary", settings.only_binary),
        ("--no-binary", settings.no_binary),
    ):
        for name in names:
            arguments += [option, name]
    return arguments


def uv_environment(settings: PipSettings, environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` with what uv takes only from there; what is set already stays."""
    found = dict(environment)
    for name, value in (
        ("SSL_CERT_FILE", settings.cert),
        ("SSL_CLIENT_CERT", settings.client_cert),
        ("UV_HTTP_TIMEOUT", settings.timeout_seconds),
        ("HTTPS_PROXY", settings.proxy),
        ("HTTP_PROXY", settings.proxy),
    ):
        if value and name not in found and name.lower() not in found:
            found[name] = os.path.expanduser(value)
    return found
