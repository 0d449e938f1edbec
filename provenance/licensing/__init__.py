"""Terms: what an owner offers, what it costs, and what a lab was granted and for how long.

Registering grants nothing. A grant freezes what was agreed: licence text, price, term and who
accepted; later changes of licence or rate leave it alone. Import the use cases from here.
"""

from provenance.licensing.bundles import (
    BadBundle,
    BundleRetired,
    OwnBundle,
    month_end,
    offer_bundle,
    retire_bundle,
    subscribe,
    unsubscribe,
)
from provenance.licensing.grants import (
    GrantDecided,
    LicenceRetired,
    NotALab,
    PurposeNotOffered,
    frozen_terms,
    give_grant,
    refuse_grant,
    request_grant,
    require_offered,
    revoke_grant,
)
from provenance.licensing.offers import (
    NothingOffered,
    NotSpdx,
    UnknownPurpose,
    offer_licence,
    retire_licence,
)
from provenance.licensing.rates import (
    ASSET,
    LARGEST_PRICE,
    LARGEST_QUANTITY,
    BadPlan,
    BadRate,
    PlanTerms,
    draft_rate,
    rate_in_force,
    set_rate,
)

__all__ = [
    "ASSET",
    "LARGEST_PRICE",
    "LARGEST_QUANTITY",
    "BadBundle",
    "BadPlan",
    "BadRate",
    "BundleRetired",
    "GrantDecided",
    "LicenceRetired",
    "NotALab",
    "NotSpdx",
    "NothingOffered",
    "OwnBundle",
    "PlanTerms",
    "PurposeNotOffered",
    "UnknownPurpose",
    "draft_rate",
    "frozen_terms",
    "give_grant",
    "month_end",
    "offer_bundle",
    "offer_licence",
    "rate_in_force",
    "refuse_grant",
    "request_grant",
    "require_offered",
    "retire_bundle",
    "retire_licence",
    "revoke_grant",
    "set_rate",
    "subscribe",
    "unsubscribe",
]
