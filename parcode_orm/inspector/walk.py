"""The walk over the chunks of a commit: from the catalog down, each step with the owner of its chunk.

`verify` and `inspect` share it. They read the chunks themselves, and ask for the steps below each:

    walk = Walk(read)
    steps = [walk.start(record.catalog)]
    while steps:
        step = steps.pop()
        steps += reversed(walk.below(step, read(step.ref)))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..codec.stored import Schema
from ..errors import CorruptionError
from ..format import catalog as catalogs
from ..format.catalog import CatalogData
from ..format.chunk import Chunk
from ..format.layout import Kind, Reference
from ..lazy.shown import visible
from ..model.entity_names import SUFFIX
from ..session.without_classes import short_name
from ..table.nodes import Piece, read_node
from .guide import Guide, Target
from .nodes import values_needed
from .owners import LONG, MOST, Owner, first
from .schemas import Known, Schemas
from .tables import Header, run_below

Read = Callable[[Reference], Chunk]
ROWS = frozenset({Kind.ROW_GROUP, Kind.COLUMN})
KINDS: dict[int, str] = {kind: kind.name.lower().replace("_", " ") for kind in Kind}
BY_KEY = "by key"  # the name of the index by which the rows of a dictionary are found


class Place(NamedTuple):
    """Rows of a collection: those that a chunk below its table belongs to."""

    owner: Owner
    first: int
    length: int
    start: int = 0  # in their row group
    outer: Place | None = None  # the row that the collection is a value of


class Step(NamedTuple):
    """A chunk to read: its owner, and what the chunk that refers to it says about it."""

    ref: Reference
    owner: Owner
    root: str = ""  # the name of the root
    target: Target | None = None  # of a value of a marked field
    height: int = 0  # of a tree node; for an index run below another, the bits that lead through it
    rows: int = -1  # of a tree node; the least number for a row group, or for node 0 of a column chunk
    keyed: bool = False
    place: Place | None = None
    fingerprint: str = ""  # of a schema


def where(step: Step, owner: Owner | None = None) -> str:
    """What a chunk is, for a message: its kind, the path from the root, and its rows. `owner` is that of a column."""
    owner = owner or step.owner
    kind = KINDS.get(step.ref.kind, "chunk")
    if owner.kind == "catalog":
        return "the catalog"
    if owner.kind == "schemas":
        return f"schema {visible(step.fingerprint[:8])}"
    text = {"index": f"{kind} of the index {owner.name} of ", "keys": f"{kind} of the keys of "}.get(owner.kind, "")
    text = f"{visible(text, LONG) or f'{kind} of '}{owner.path}"
    place = step.place
    if place is not None and place.length >= 0:
        text += f", {_rows(place)}"
    outer = place and place.outer
    if outer is not None and outer.length >= 0:
        text += f", in {_rows(outer)} of {outer.owner.path}"
    return text


def _rows(place: Place) -> str:
    last = place.first + place.length - 1
    return f"row {place.first:,}" if last <= place.first else f"rows {place.first:,} to {last:,}"


class Walk:
    """The walk over one commit. `owners` has the owners of what the catalog names, in its order, and the catalog's.

    It shares the schemas of `after`, the walk over another commit of the file.
    """

    def __init__(self, read: Read, after: Walk | None = None) -> None:
        self._read = read
        self._known: Known = {} if after is None else after._known
        self._schemas = Schemas(CatalogData(), read, self._known)
        self.catalog = Owner("catalog", "catalog", "")
        self.owners = [self.catalog]

    def start(self, ref: Reference) -> Step:
        """The first step: to the catalog."""
        return Step(ref, self.catalog)

    def below(self, step: Step, chunk: Chunk, guide: Guide | None = None) -> list[Step]:
        """The steps to the chunks that the chunk of `step` refers to. `guide` is that of the chunk, if it is known.

        Raises:
            CorruptionError: the chunk breaks a rule of its kind.
        """
        if chunk.kind == Kind.CATALOG:
            return self._named(chunk)
        if chunk.kind == Kind.TABLE:
            return self._table(step, chunk)
        if chunk.kind == Kind.TREE_NODE and step.height:
            return self._children(step, chunk)
        if chunk.kind == Kind.INDEX_RUN:
            refs, bits = run_below(chunk, step.height)
            return [step._replace(ref=ref, height=bits) for ref in refs]
        if chunk.kind in ROWS and chunk.refs:
            return self._values(step, chunk, self.guide(step, chunk) if guide is None else guide, values_needed(chunk))
        return self.unguided(step, chunk)

    def unguided(self, step: Step, chunk: Chunk, guide: Guide | None = None) -> list[Step]:
        """Steps to all references of a chunk that is damaged, or whose content is not understood."""
        if chunk.kind in ROWS and chunk.refs:
            return self._values(step, chunk, self.guide(step, chunk) if guide is None else guide, {})
        return [Step(ref, step.owner, step.root, place=step.place) for ref in chunk.refs]

    def guide(self, step: Step, chunk: Chunk) -> Guide:
        """The owners of the nodes and references of a row group or a column chunk, as far as the schema is known."""
        owner, root = step.owner, step.root
        newest = chunk.kind != Kind.ROW_GROUP or self._schemas.is_newest(root, chunk.fingerprint)
        guide = Guide(chunk, owner, self._schemas, root, newest=newest)
        try:
            if chunk.kind == Kind.COLUMN and step.target is not None:
                guide.values(step.target)
            elif chunk.kind == Kind.ROW_GROUP:
                alone = step.rows < 0  # a table of this row group alone
                if alone and owner.kind != "entities":
                    self._count(step, chunk.nodes[0].count)
                if owner.kind != "index" and (not alone or step.target is not None):
                    owner.schemas.add(chunk.fingerprint)
                parts = self._schemas.rows(root, chunk.fingerprint)
                if parts is not None:
                    guide.rows(owner, parts)
        except CorruptionError as problem:
            guide.problem = problem
        except (LookupError, TypeError, AttributeError, ValueError, RecursionError):
            pass  # nodes and schema do not fit each other: what is left belongs to the owner
        return guide

    def schemas(self, root: str, fingerprint: int) -> tuple[Schema, ...] | None:
        """The schemas of the columns of a row group below a root; None if the file does not have them."""
        return self._schemas.rows(root, fingerprint)

    def schema(self, step: Step) -> bytes:
        """The bytes of the schema that a step leads to.

        Raises:
            CorruptionError: it is damaged.
        """
        return self._schemas.stored(step.fingerprint)

    def _named(self, chunk: Chunk) -> list[Step]:
        catalog = catalogs.decode(chunk)
        self._schemas = Schemas(catalog, self._read, self._known)
        schemas = Owner("schemas", "schemas", "")
        found = []
        for name in catalog.roots:
            entities = name.endswith(SUFFIX)
            called = short_name(name, catalog.roots)
            owner = self._owner("entities" if entities else "root", called)
            found.append(Step(catalog.root(name), owner, name))
        for name, parts in catalog.entities.items():
            owner = self._owner("entities", name)
            found += [Step(ref, owner, name) for ref in parts.values() if isinstance(ref, Reference)]
        self.owners.append(schemas)
        found += [Step(catalog.schema(name), schemas, fingerprint=name) for name in catalog.schemas]
        return found

    def _owner(self, kind: str, name: str) -> Owner:
        """The owner of a root. Where there are too many, the last one owns all that follow."""
        if len(self.owners) < MOST:
            self.owners.append(Owner(kind, name, first(name)))
        else:
            self.owners[-1].notes[:] = ["and all roots after it"]
        return self.owners[-1]

    def _table(self, step: Step, chunk: Chunk) -> list[Step]:
        table = Header(chunk)
        self._count(step, table.rows)
        step.owner.height = max(step.owner.height or 0, table.height)
        found = []
        place = self._rows_of(step, table.rows)
        if table.tree is not None:
            kind = Kind.TREE_NODE if table.height else Kind.ROW_GROUP
            if table.tree.kind != kind:
                raise chunk.error(0, f"a tree of height {table.height} begins with a chunk of kind {table.tree.kind}")
            found.append(
                step._replace(ref=table.tree, height=table.height, rows=table.rows, keyed=table.keyed, place=place)
            )
        index = step.owner.child("index", BY_KEY, step.owner.path) if table.runs else step.owner
        found += [step._replace(ref=run, owner=index, height=0) for run in table.runs]
        return found

    def _count(self, step: Step, rows: int) -> None:
        if step.target is None or step.target.counts:
            step.owner.add_rows(rows)

    def _rows_of(self, step: Step, rows: int) -> Place | None:
        """The rows of the table of `step`; None for the one row of a root."""
        if step.target is None:
            return None
        return Place(step.owner, 0, rows, 0, step.place)

    def _children(self, step: Step, chunk: Chunk) -> list[Step]:
        found = []
        at = 0 if step.place is None else step.place.first
        for child in read_node(chunk, step.height, step.rows, step.keyed):
            kind = Kind.ROW_GROUP if step.height == 1 else Kind.TREE_NODE
            if child.ref.kind != kind:
                raise chunk.error(0, f"a tree node of height {step.height} refers to a chunk of kind {child.ref.kind}")
            start = child.start if isinstance(child, Piece) else 0
            place = step.place and step.place._replace(first=at, length=child.length, start=start)
            at += child.length
            rows = start + child.length if isinstance(child, Piece) else child.length
            found.append(step._replace(ref=child.ref, height=step.height - 1, rows=rows, place=place))
        return found

    def _values(self, step: Step, chunk: Chunk, guide: Guide, needed: dict[int, int]) -> list[Step]:
        found = []
        for ordinal, ref in enumerate(chunk.refs):
            target = guide.targets.get(ordinal)
            if target is None:
                found.append(Step(ref, step.owner, step.root, rows=needed.get(ordinal, -1), place=step.place))
                continue
            place = step.place
            if ref.kind in (Kind.TABLE, Kind.ROW_GROUP):
                place = place and self._row(place, target.row)
                if ref.kind == Kind.ROW_GROUP:
                    place = Place(target.owner, 0, -1, 0, place)
            found.append(Step(ref, target.owner, step.root, target, rows=needed.get(ordinal, -1), place=place))
        return found

    def _row(self, place: Place, row: int) -> Place | None:
        """The row of a collection that a row of a row group is; all of `place` if it is not known."""
        at = row - place.start
        known = row >= 0 and at >= 0 and (at < place.length or place.length < 0)
        return place._replace(first=place.first + at, length=1) if known else place
