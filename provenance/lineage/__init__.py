"""What came of what: runs join dataset versions and models; ask from here.

Lineage joins versions and is walked level by level, each node once (DESIGN, decision 16). What a
viewer may not know is left out or shown under a pseudonym (decision 15).
"""

from provenance.lineage.graph import graph
from provenance.lineage.ingredients import Ingredient, Ingredients, ingredients, models_of
from provenance.lineage.nodes import NodeUnknown, node_id

__all__ = [
    "Ingredient",
    "Ingredients",
    "NodeUnknown",
    "graph",
    "ingredients",
    "models_of",
    "node_id",
]
