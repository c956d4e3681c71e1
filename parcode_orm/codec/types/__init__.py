"""From an annotation to columns: what a type is made of, and the column that stores it.

The module imported here enters what it knows in the table of packed values.
"""

from . import packed_models

__all__ = ["packed_models"]
