"""Keys that two parts of a dataset would have: a commit refuses them.

The manifest says of most parts that they share no key: another shard, or other bounds. Of the rest only the keys are
read. Memory has eight bytes for each new key of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...codec.keys.canonical import hash_keys
from ...errors import IntegrityError, told
from ...model.entity_names import is_entity
from ...query.expressions.nodes import Key
from ...query.running.engine import run
from ...query.statements.statement import Select
from ...session import Session
from ...session.entity.queries import bound
from .layout import open_part
from .manifest import Manifest, Part
from .places import Place

PROBED = 64  # times as many rows as are new: each new key is looked up there, and the others are not read


def check_keys(place: Place, cls: Any, manifest: Manifest, old: Sequence[Part], new: Sequence[Part]) -> None:
    """Refuse new parts with a key that another new part has, or one of the `old` parts.

    Raises:
        IntegrityError: there is such a key.
    """
    if not is_entity(cls):
        return
    others = [part for part in old if any(may_share(part, each) for each in new)]
    asked = [each for each in new if any(may_share(each, other) for other in (*new, *others) if other is not each)]
    if not asked:
        return
    reader = _Keys(place, cls, manifest)
    hashes = np.sort(np.concatenate([found for part in asked for _, found in reader.of(part)]))
    doubled = [hashes[1:][hashes[1:] == hashes[:-1]]]
    read = list(asked)
    for part in others:
        shared = [each for each in asked if may_share(part, each)]
        if sum(each.rows for each in shared) * PROBED < part.rows:
            reader.look_up(part, shared)
            continue
        read.append(part)
        for _, found in reader.of(part):
            places = np.minimum(np.searchsorted(hashes, found), len(hashes) - 1)
            doubled.append(found[hashes[places] == found])
    suspects = np.unique(np.concatenate(doubled))
    if len(suspects):
        reader.compare(read, suspects)


def may_share(a: Part, b: Part) -> bool:
    """Whether two parts can have a key in common, by their shards and the bounds of their keys."""
    if a.shard != b.shard or not a.rows or not b.rows:
        return False
    if a.low is None or b.low is None:
        return True
    return type(a.low) is type(b.low) and bool(a.low <= b.high and b.low <= a.high)


class _Keys:
    """The keys of parts, each part open while it is read."""

    def __init__(self, place: Place, cls: Any, manifest: Manifest) -> None:
        self._place, self._cls, self._manifest = place, cls, manifest

    def _opened(self, part: Part) -> Session:
        return open_part(self._place, part, self._cls, self._manifest)

    def of(self, part: Part) -> Iterator[tuple[list[Any], Any]]:
        """The keys of a part, some thousand at once, and their hashes."""
        with self._opened(part) as session:
            for (found,) in run(bound(session._work, Select[Any](self._cls, (Key(),)))):
                keys = found.tolist()
                yield keys, np.frombuffer(hash_keys(keys), np.uint64)

    def look_up(self, part: Part, new: Sequence[Part]) -> None:
        """Look for the keys of some new parts in another one, which has many more."""
        with self._opened(part) as session:
            for each in new:
                for keys, _ in self.of(each):
                    for key in keys:
                        if session.get(self._cls, key) is not None:
                            raise self._twice(key, part, each)

    def compare(self, parts: Sequence[Part], suspects: Any) -> None:
        """Compare the keys themselves that have the same hashes."""
        known: dict[Any, Part] = {}
        for part in parts:
            for keys, hashes in self.of(part):
                for place in np.flatnonzero(np.isin(hashes, suspects)).tolist():
                    other = known.setdefault(keys[place], part)
                    if other is not part:
                        raise self._twice(keys[place], other, part)

    def _twice(self, key: Any, part: Part, other: Part) -> IntegrityError:
        return IntegrityError(
            f"two {self._cls.__qualname__} would have the key {told(key)}, in {part.file} and in {other.file}: write "
            "one of them; nothing was committed"
        )
