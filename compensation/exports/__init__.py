"""Exports: all that a party needs to recompute its money for some months, offline, to the unit.

`tallymark replay` reads them; docs/statements.md lists every field. The whole journal goes to
operators alone.
"""

from compensation.exports.files import export
from compensation.exports.scope import Scope, scope_of

__all__ = ["Scope", "export", "scope_of"]
