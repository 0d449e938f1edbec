"""How a lab pays in: by bank, by token, or at a provider; and by what the money is known as its."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from compensation import invoices, transfers
from compensation.bank.currency import PREFIX
from compensation.models import Asset
from provenance import chains
from provenance.models import Party


def ways_of(lab: Party) -> dict[str, Any]:
    """What the card says to `lab`; what the operator has not set up is empty."""
    profile = invoices.operators_profile()
    operator = Party.objects.filter(is_operator=True).order_by("created_at").first()
    currencies = Asset.objects.filter(code__startswith=PREFIX).order_by("symbol")
    return {
        "reference": lab.namespace,
        "bank": profile.payment_details if profile is not None else "",
        "holder": profile.legal_name if profile is not None else "",
        "operator": operator,
        "currencies": [asset.symbol for asset in currencies],
        "providers": sorted(name for name, keys in settings.PAYMENT_SECRETS.items() if keys),
        **by_token(),
    }


def by_token() -> dict[str, Any]:
    """Where tokens are sent, and which are taken on which chain."""
    found = Asset.objects.filter(code__startswith="eip155:").order_by("symbol", "code")
    tokens = [
        {
            "symbol": asset.symbol,
            "contract": asset.token_address,
            "chain": chains.name_of(asset.chain_id),
        }
        for asset in found
        if asset.is_on_chain and asset.chain_id in chains.ids()
    ]
    return {"place": transfers.pay_to(), "tokens": tokens}
