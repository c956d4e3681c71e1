"""How much tests of random examples try."""

from __future__ import annotations

from hypothesis import settings

_profile = settings.default
assert _profile is not None
EXAMPLES = _profile.max_examples
THOROUGH = EXAMPLES > 100


def half(examples: int = EXAMPLES) -> settings:
    """So many examples in long runs, half of them in quick ones: each is slow."""
    return settings(max_examples=examples if THOROUGH else examples // 2, deadline=None)
