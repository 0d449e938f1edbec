"""The admin's name and mark; what needs a request stands in `deploy.navigation`.

Its colours stand in `static/deploy/colours.css`.
"""

from __future__ import annotations

from typing import Any

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Tallymark",
    "SITE_HEADER": "Tallymark",
    "SITE_SUBHEADER": "deploy.navigation.subheader",
    "SITE_URL": None,
    "SITE_ICON": "deploy.navigation.mark",
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": "deploy.navigation.favicon",
        }
    ],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "deploy.dashboard.compose",
    "STYLES": ["deploy.navigation.stylesheet"],
    "ACCOUNT": {"navigation": "deploy.navigation.account_links"},
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "deploy.navigation.navigation",
    },
}
