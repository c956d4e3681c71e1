"""The state of one model put into another of its class."""

from __future__ import annotations

from typing import Any

from ..lazy.proxy import is_proxy
from ..lazy.state import touch


def overwrite(target: Any, plain: Any) -> None:
    """Give `target`, lazy or plain, frozen or not, the very values of `plain`, of the same class."""
    target.__setstate__(plain.__getstate__())
    if is_proxy(target):
        touch(target)
