"""The navigation that each role sees in the admin, and who acts for whom."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from provenance import inbox
from provenance.admin.base import roles_of
from provenance.admin.verbs import Words, viewer_of

NOTICES = "provenance_notice_changelist"
# (title, icon, url name, who sees it), grouped by what people come for.
_ITEMS: tuple[tuple[Words, tuple[tuple[Words, str, str, str], ...]], ...] = (
    (
        "",
        (
            (_lazy("Home"), "home", "index", "owner lab operator"),
            (_lazy("Notices"), "notifications", NOTICES, "owner lab operator"),
            (_lazy("Queue"), "inbox", "queue", "operator"),
        ),
    ),
    (
        _lazy("My data"),
        (
            (_lazy("Datasets"), "database", "provenance_dataset_changelist", "owner"),
            (_lazy("Uploads"), "progress_activity", "ingest_upload_changelist", "owner"),
            (_lazy("Overlaps"), "join_inner", "provenance_overlap_changelist", "owner"),
            (_lazy("Conflicts"), "balance", "provenance_conflict_changelist", "owner"),
            (_lazy("Licences and prices"), "license", "provenance_licence_changelist", "owner"),
            (_lazy("Contributors"), "diversity_3", "provenance_contributor_changelist", "owner"),
            (_lazy("Made from others"), "merge", "provenance_derivation_changelist", "owner"),
            (_lazy("My shares"), "pie_chart", "provenance_splitshare_changelist", "owner"),
        ),
    ),
    (
        _lazy("Training"),
        (
            (_lazy("Catalogue"), "menu_book", "provenance_licence_changelist", "lab"),
            (_lazy("Screen before training"), "policy", "ingest_screening_changelist", "lab"),
            (_lazy("Quotes"), "request_quote", "provenance_quote_changelist", "lab"),
            (_lazy("Runs"), "model_training", "provenance_run_changelist", "lab"),
            (_lazy("Models"), "deployed_code", "provenance_trainedmodel_changelist", "lab"),
            (_lazy("Reporting keys"), "signature", "provenance_reportingkey_changelist", "lab"),
        ),
    ),
    (
        _lazy("Between owners and labs"),
        (
            (_lazy("Grants"), "handshake", "provenance_grant_changelist", "owner lab"),
            (_lazy("Bundles"), "inventory_2", "provenance_bundle_changelist", "owner lab"),
            (
                _lazy("Subscriptions"),
                "event_repeat",
                "provenance_subscription_changelist",
                "owner lab",
            ),
            (_lazy("Usage"), "monitoring", "provenance_usage_changelist", "owner lab"),
            (_lazy("Reviews"), "troubleshoot", "provenance_review_changelist", "owner lab"),
            (_lazy("Lineage"), "account_tree", "provenance_run_lineage", "owner lab operator"),
        ),
    ),
    (
        _lazy("Money"),
        (
            (_lazy("Earnings"), "trending_up", "compensation_entry_earnings", "owner"),
            (
                _lazy("Statements"),
                "receipt_long",
                "compensation_entry_statement",
                "owner lab operator",
            ),
            (_lazy("Accounts"), "account_balance", "compensation_account_changelist", "owner lab"),
            (_lazy("Invoices"), "request_quote", "compensation_invoice_changelist", "owner lab"),
            (_lazy("Tax data"), "badge", "compensation_taxprofile_changelist", "owner lab"),
            (
                _lazy("Shared out"),
                "pie_chart",
                "compensation_pool_changelist",
                "owner lab operator",
            ),
            (
                _lazy("Revenue of models"),
                "trending_up",
                "compensation_revenuereport_changelist",
                "lab",
            ),
            (_lazy("Payouts"), "payments", "compensation_payout_changelist", "owner"),
            (_lazy("Budgets"), "savings", "compensation_budget_changelist", "lab"),
            (_lazy("Deposits"), "account_balance_wallet", "compensation_deposit_changelist", "lab"),
            (
                _lazy("Addresses to pay from"),
                "wallet",
                "compensation_payingaddress_changelist",
                "lab",
            ),
            (_lazy("Transfers"), "move_down", "compensation_transfer_changelist", "lab"),
            (_lazy("Payments"), "credit_card", "compensation_payment_changelist", "lab"),
        ),
    ),
    (
        _lazy("Cases and parties"),
        (
            (_lazy("Second opinions"), "how_to_reg", "provenance_proposal_changelist", "operator"),
            (_lazy("Conflicts"), "gavel", "provenance_conflict_changelist", "operator"),
            (
                _lazy("Reviews of reports"),
                "troubleshoot",
                "provenance_review_changelist",
                "operator",
            ),
            (_lazy("Overlaps"), "join_inner", "provenance_overlap_changelist", "operator"),
            (
                _lazy("Notices from outside"),
                "mark_email_unread",
                "provenance_concern_changelist",
                "operator",
            ),
            (_lazy("Parties"), "groups", "provenance_party_changelist", "operator"),
            (_lazy("Datasets"), "database", "provenance_dataset_changelist", "operator"),
            (_lazy("Grants"), "handshake", "provenance_grant_changelist", "operator"),
            (_lazy("Runs"), "model_training", "provenance_run_changelist", "operator"),
            (_lazy("Usage"), "monitoring", "provenance_usage_changelist", "operator"),
        ),
    ),
    (
        _lazy("The service"),
        (
            (_lazy("Uploads"), "progress_activity", "ingest_upload_changelist", "operator"),
            (_lazy("Screenings"), "policy", "ingest_screening_changelist", "operator"),
            (
                _lazy("Deposits"),
                "account_balance_wallet",
                "compensation_deposit_changelist",
                "operator",
            ),
            (_lazy("Transfers"), "move_down", "compensation_transfer_changelist", "operator"),
            (_lazy("Payments"), "credit_card", "compensation_payment_changelist", "operator"),
            (_lazy("Payout epochs"), "payments", "compensation_payoutepoch_changelist", "operator"),
            (_lazy("Payment runs"), "send_money", "compensation_paymentrun_changelist", "operator"),
            (
                _lazy("Files of the bank"),
                "upload_file",
                "compensation_bankfile_changelist",
                "operator",
            ),
            (
                _lazy("Bookings"),
                "account_balance",
                "compensation_bankbooking_changelist",
                "operator",
            ),
            (_lazy("Reconciliation"), "rule", "compensation_difference_changelist", "operator"),
            (_lazy("Journal"), "menu_book", "compensation_entry_changelist", "operator"),
            (_lazy("Months"), "calendar_month", "compensation_period_changelist", "operator"),
            (_lazy("Accounts"), "account_balance", "compensation_account_changelist", "operator"),
            (
                _lazy("Conversions"),
                "currency_exchange",
                "compensation_conversion_changelist",
                "operator",
            ),
            (_lazy("Invoices"), "request_quote", "compensation_invoice_changelist", "operator"),
            (
                _lazy("Invoices waiting"),
                "hourglass",
                "compensation_invoicewaiting_changelist",
                "operator",
            ),
            (_lazy("Tax data"), "badge", "compensation_taxprofile_changelist", "operator"),
            (_lazy("VAT"), "percent", "compensation_taxrule_changelist", "operator"),
            (_lazy("Health"), "monitor_heart", "health", "operator"),
            (_lazy("Outbox"), "outbox", "provenance_outboxtransaction_changelist", "operator"),
            (_lazy("Batches on the chain"), "anchor", "provenance_anchor_changelist", "operator"),
        ),
    ),
    (
        _lazy("Trust and access"),
        (
            (
                _lazy("Ownership"),
                "swap_horiz",
                "provenance_ownershiptransfer_changelist",
                "owner operator",
            ),
            (
                _lazy("Restrictions"),
                "block",
                "provenance_restriction_changelist",
                "owner lab operator",
            ),
            (_lazy("Policies"), "rule", "compensation_policy_changelist", "operator"),
            (_lazy("Ledger"), "fact_check", "provenance_event_changelist", "owner lab operator"),
            (_lazy("API keys"), "key", "provenance_apikey_changelist", "owner lab operator"),
            (_lazy("Webhooks"), "webhook", "provenance_webhook_changelist", "owner lab operator"),
            (_lazy("Members"), "group", "provenance_membership_changelist", "owner lab operator"),
            (
                _lazy("Invitations"),
                "mail",
                "provenance_invitation_changelist",
                "owner lab operator",
            ),
            (
                _lazy("Access log"),
                "visibility",
                "provenance_accesslog_changelist",
                "owner lab operator",
            ),
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
        {"title": _("Change organisation"), "link": reverse("choose-party")},
        {
            "title": _("What is mailed to you"),
            "link": reverse("admin:provenance_notice_preferences"),
        },
        {"title": _("Second factor"), "link": reverse("mfa_index")},
        {"title": _("E-mail addresses"), "link": reverse("account_email")},
        {"title": _("Change password"), "link": reverse("account_change_password")},
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
