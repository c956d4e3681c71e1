"""Single values as bytes: of any type as MessagePack, arrays and large values as they are.

The modules imported here enter what they know in `table`.
"""

from . import custom, extensions, instances

__all__ = ["custom", "extensions", "instances"]
