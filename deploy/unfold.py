"""The admin's name, mark and colours; what needs a request stands in `deploy.navigation`."""

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
    "BORDER_RADIUS": "8px",
    "DASHBOARD_CALLBACK": "deploy.dashboard.compose",
    "STYLES": ["deploy.navigation.stylesheet"],
    "ACCOUNT": {"navigation": "deploy.navigation.account_links"},
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": "deploy.navigation.navigation",
    },
    "COLORS": {
        "base": {
            "50": "#f5f8f8",
            "100": "#eaf0f0",
            "200": "#d9e2e3",
            "300": "#bccacc",
            "400": "#8ea3a6",
            "500": "#5d7177",
            "600": "#465a5f",
            "700": "#33474c",
            "800": "#20343a",
            "900": "#122124",
            "950": "#0a1416",
        },
        "primary": {
            "50": "#eef7f7",
            "100": "#dcecec",
            "200": "#b9d9da",
            "300": "#8cc1c2",
            "400": "#53a1a4",
            "500": "#2b868a",
            "600": "#0f5c63",
            "700": "#0b4f55",
            "800": "#0b444a",
            "900": "#0a383d",
            "950": "#062226",
        },
    },
}
