"""The navigation that each role sees in the admin, and who acts for whom."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _

from provenance import inbox
from provenance.admin.base import roles_of
from provenance.admin.verbs import viewer_of

NOTICES = "provenance_notice_changelist"
# (title, icon, url name, who sees it), grouped by what people come for.
_ITEMS: tuple[tuple[str, tuple[tuple[str, str, str, str], ...]], ...] = (
    (
        "",
        (
            ("Home", "home", "index", "owner lab operator"),
            ("Notices", "notifications", NOTICES, "owner lab operator"),
            ("Queue", "inbox", "queue", "operator"),
        ),
    ),
    (
        "My data",
        (
            ("Datasets", "database", "provenance_dataset_changelist", "owner"),
            ("Uploads", "progress_activity", "ingest_upload_changelist", "owner"),
            ("Overlaps", "join_inner", "provenance_overlap_changelist", "owner"),
            ("Conflicts", "balance", "provenance_conflict_changelist", "owner"),
            ("Licences and prices", "license", "provenance_licence_changelist", "owner"),
            ("Contributors", "diversity_3", "provenance_contributor_changelist", "owner"),
            ("Made from others", "merge", "provenance_derivation_changelist", "owner"),
            ("My shares", "pie_chart", "provenance_splitshare_changelist", "owner"),
        ),
    ),
    (
        "Training",
        (
            ("Catalogue", "menu_book", "provenance_licence_changelist", "lab"),
            ("Screen before training", "policy", "ingest_screening_changelist", "lab"),
            ("Quotes", "request_quote", "provenance_quote_changelist", "lab"),
            ("Runs", "model_training", "provenance_run_changelist", "lab"),
            ("Models", "deployed_code", "provenance_trainedmodel_changelist", "lab"),
            ("Reporting keys", "signature", "provenance_reportingkey_changelist", "lab"),
        ),
    ),
    (
        "Between owners and labs",
        (
            ("Grants", "handshake", "provenance_grant_changelist", "owner lab"),
            ("Bundles", "inventory_2", "provenance_bundle_changelist", "owner lab"),
            (
                "Subscriptions",
                "event_repeat",
                "provenance_subscription_changelist",
                "owner lab",
            ),
            ("Usage", "monitoring", "provenance_usage_changelist", "owner lab"),
            ("Reviews", "troubleshoot", "provenance_review_changelist", "owner lab"),
            ("Lineage", "account_tree", "provenance_run_lineage", "owner lab operator"),
        ),
    ),
    (
        "Money",
        (
            ("Earnings", "trending_up", "compensation_entry_earnings", "owner"),
            ("Statements", "receipt_long", "compensation_entry_statement", "owner lab operator"),
            ("Accounts", "account_balance", "compensation_account_changelist", "owner lab"),
            ("Invoices", "request_quote", "compensation_invoice_changelist", "owner lab"),
            ("Tax data", "badge", "compensation_taxprofile_changelist", "owner lab"),
            ("Shared out", "pie_chart", "compensation_pool_changelist", "owner lab operator"),
            ("Revenue of models", "trending_up", "compensation_revenuereport_changelist", "lab"),
            ("Payouts", "payments", "compensation_payout_changelist", "owner"),
            ("Budgets", "savings", "compensation_budget_changelist", "lab"),
            ("Deposits", "account_balance_wallet", "compensation_deposit_changelist", "lab"),
            ("Addresses to pay from", "wallet", "compensation_payingaddress_changelist", "lab"),
            ("Transfers", "move_down", "compensation_transfer_changelist", "lab"),
            ("Payments", "credit_card", "compensation_payment_changelist", "lab"),
        ),
    ),
    (
        "Cases and parties",
        (
            ("Second opinions", "how_to_reg", "provenance_proposal_changelist", "operator"),
            ("Conflicts to decide", "gavel", "provenance_conflict_changelist", "operator"),
            ("Reviews of reports", "troubleshoot", "provenance_review_changelist", "operator"),
            ("Overlaps", "join_inner", "provenance_overlap_changelist", "operator"),
            (
                "From outside",
                "mark_email_unread",
                "provenance_concern_changelist",
                "operator",
            ),
            ("Parties", "groups", "provenance_party_changelist", "operator"),
            ("Datasets", "database", "provenance_dataset_changelist", "operator"),
            ("Grants", "handshake", "provenance_grant_changelist", "operator"),
            ("Runs", "model_training", "provenance_run_changelist", "operator"),
            ("Usage", "monitoring", "provenance_usage_changelist", "operator"),
        ),
    ),
    (
        "The service",
        (
            ("Uploads", "progress_activity", "ingest_upload_changelist", "operator"),
            ("Screenings", "policy", "ingest_screening_changelist", "operator"),
            ("Deposits", "account_balance_wallet", "compensation_deposit_changelist", "operator"),
            ("Transfers", "move_down", "compensation_transfer_changelist", "operator"),
            ("Payments", "credit_card", "compensation_payment_changelist", "operator"),
            ("Payout epochs", "payments", "compensation_payoutepoch_changelist", "operator"),
            ("Payment runs", "send_money", "compensation_paymentrun_changelist", "operator"),
            ("Files of the bank", "upload_file", "compensation_bankfile_changelist", "operator"),
            ("Bookings", "account_balance", "compensation_bankbooking_changelist", "operator"),
            ("Reconciliation", "rule", "compensation_difference_changelist", "operator"),
            ("Journal", "menu_book", "compensation_entry_changelist", "operator"),
            ("Months", "calendar_month", "compensation_period_changelist", "operator"),
            ("Accounts", "account_balance", "compensation_account_changelist", "operator"),
            ("Conversions", "currency_exchange", "compensation_conversion_changelist", "operator"),
            ("Invoices", "request_quote", "compensation_invoice_changelist", "operator"),
            ("Invoices waiting", "hourglass", "compensation_invoicewaiting_changelist", "operator"),
            ("Tax data", "badge", "compensation_taxprofile_changelist", "operator"),
            ("VAT", "percent", "compensation_taxrule_changelist", "operator"),
            ("Health", "monitor_heart", "health", "operator"),
            ("Outbox", "outbox", "provenance_outboxtransaction_changelist", "operator"),
            ("Anchors", "anchor", "provenance_anchor_changelist", "operator"),
        ),
    ),
    (
        "Trust and access",
        (
            (
                "Ownership",
                "swap_horiz",
                "provenance_ownershiptransfer_changelist",
                "owner operator",
            ),
            ("Restrictions", "block", "provenance_restriction_changelist", "owner lab operator"),
            ("Policies", "rule", "compensation_policy_changelist", "operator"),
            ("Ledger", "fact_check", "provenance_event_changelist", "owner lab operator"),
            ("API keys", "key", "provenance_apikey_changelist", "owner lab operator"),
            ("Webhooks", "webhook", "provenance_webhook_changelist", "owner lab operator"),
            ("Members", "group", "provenance_membership_changelist", "owner lab operator"),
            ("Invitations", "mail", "provenance_invitation_changelist", "owner lab operator"),
            ("Access log", "visibility", "provenance_accesslog_changelist", "owner lab operator"),
        ),
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar for this viewer; each entry once, and only what the role can use."""
    roles = roles_of(viewer_of(request))
    if "operator" in roles:
        roles = frozenset({"operator"})
    unread = _unread(request)
    groups = []
    for title, items in _ITEMS:
        entries = [
            {
                "title": label,
                "icon": icon,
                "link": link,
                "active": _is_active(request, link),
                "count": unread if name == NOTICES else 0,
            }
            for label, icon, name, who in items
            if roles & set(who.split())
            for link in [reverse(f"admin:{name}")]
        ]
        groups.append({"title": title, "items": entries, "separator": False})
    return [group for group in groups if group["items"]]


def _unread(request: HttpRequest) -> int:
    """How many notices the person has not read."""
    viewer = viewer_of(request)
    return inbox.unread_count(user=viewer.user, party=viewer.party) if viewer.user else 0


def _is_active(request: HttpRequest, link: str) -> bool:
    """The entry under which this page lies: the list itself or one of its pages."""
    if link == reverse("admin:index"):
        return request.path == link
    rest = request.path.removeprefix(link)
    inside = {"register", "catalogue", "lineage", "statement", "earnings"}
    return request.path.startswith(link) and rest.split("/")[0] not in inside


def subheader(request: HttpRequest) -> str:
    """For whom the person acts, under our name."""
    viewer = getattr(request, "viewer", None)
    return str(viewer.party.name) if viewer is not None else ""


def account_links(request: HttpRequest) -> list[dict[str, str]]:
    """What stands in the menu of the person."""
    return [
        {"title": _("First steps"), "link": reverse("admin:guide")},
        {"title": "Change organisation", "link": reverse("choose-party")},
        {"title": "What is mailed to you", "link": reverse("admin:provenance_notice_preferences")},
        {"title": "Second factor", "link": reverse("mfa_index")},
        {"title": "E-mail addresses", "link": reverse("account_email")},
        {"title": "Change password", "link": reverse("account_change_password")},
    ]


def mark(request: HttpRequest) -> str:
    """Our mark."""
    return static("provenance/mark.svg")


def favicon(request: HttpRequest) -> str:
    """Our mark, as browsers show it in a tab."""
    return static("provenance/favicon.svg")


def stylesheet(request: HttpRequest) -> str:
    """Our look on top of unfold's."""
    return static("provenance/tallymark.css")
