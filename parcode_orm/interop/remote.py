"""Files elsewhere: in object stores, behind web servers, and wherever else fsspec reads."""

from __future__ import annotations

from ..storage.paths import Remote

__all__ = ["Remote"]
