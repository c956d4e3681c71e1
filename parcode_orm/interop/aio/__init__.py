"""`AsyncSession`: a session for programs of asyncio."""

from __future__ import annotations

from .blocks import AsyncAttempt, AsyncSavepoint
from .results import AsyncResult, AsyncScalarResult
from .session import AsyncSession

__all__ = ["AsyncAttempt", "AsyncResult", "AsyncSavepoint", "AsyncScalarResult", "AsyncSession"]
