"""Solidity sources of the facts' contracts, and their checked-in artefacts (see build.mjs)."""

from pathlib import Path

ARTEFACTS = Path(__file__).parent / "artefacts"
