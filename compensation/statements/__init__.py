"""What an owner earned and a lab spent in a period, in words first and to the unit below."""

from compensation.statements.explanations import Explanation, explain
from compensation.statements.lab import LabStatement, lab_statement
from compensation.statements.owner import OwnerStatement, owner_statement
from compensation.statements.paper import as_pdf
from compensation.statements.period import BadPeriod, Period
from compensation.statements.rendering import as_csv, as_json
from compensation.statements.shares import PAGE, Share, share_of, shares_of

__all__ = [
    "PAGE",
    "BadPeriod",
    "Explanation",
    "LabStatement",
    "OwnerStatement",
    "Period",
    "Share",
    "as_csv",
    "as_json",
    "as_pdf",
    "explain",
    "lab_statement",
    "owner_statement",
    "share_of",
    "shares_of",
]
