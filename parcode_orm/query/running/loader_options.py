"""Statements with options: the references in the objects that they give know their targets, or refuse to load them.

The keys in a field are a column of the result. All targets are looked up together, and each object is given references
that know their target already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, compress, islice, repeat
from types import NoneType
from typing import Any, NamedTuple

from ...codec.kernels import drain
from ...codec.refs import Ref, make_ref
from ...errors import NoResultFound, QueryError, told
from ...lazy.proxy import is_proxy, proxy_state
from ...lazy.state import field_value, get_dict
from ...model.annotations import arms
from ...model.references import referred_class
from ..expressions.backrefs import OtherSide
from ..expressions.building import attribute
from ..expressions.expressions import Expression
from ..expressions.nodes import Item, Label
from ..expressions.selectables import Entities
from ..rows.ordered import Part
from ..rows.target_lookup import fetched
from ..statements.options import classes_in, way_of
from ..statements.statement import Select
from .backref_lookup import fetch_related
from .engine import run

AHEAD = 32  # parts of a result whose targets are looked up together


class Refused:
    """Stands where the space of a reference would: the statement does not allow to load its target."""

    __slots__ = ("_place", "_space")

    def __init__(self, place: str, space: Any) -> None:
        self._place = place
        self._space = space

    def __getattr__(self, name: str) -> Any:
        return getattr(self._space, name)

    def entity(self, cls: type[Any], key: Any) -> Any:
        """Refuse to find the entity of `cls` with this key."""
        raise QueryError(
            f"{self._place} refers to {cls.__qualname__}[{told(key)}], and was read by a statement with raise_lazy(): "
            f"add prefetch({self._place}) to its options, or ask for the object, session.get({cls.__name__}, key)"
        )


# -- running -----------------------------------------------------------------------------------------------------------

Refs = dict[type[Any], dict[Any, Ref[Any]]]
"""References that are put into objects, by class and key."""


class _Load(NamedTuple):
    """A field of the objects that an output gives. `fetch`: its targets are looked up; else they are refused.

    `column`: the keys in the field, if all its values are references to the class `cls`, or None. `then`: the names of
    fields that lead on from the targets, whose targets are looked up as well.
    """

    output: int
    name: str
    fetch: bool
    column: Expression[Any] | None
    cls: type[Any]
    then: tuple[tuple[str, ...], ...]


def run_loading(statement: Select[Any], *, whole: bool) -> Iterator[Part]:
    """The result of a statement, whose options are followed. `whole`: all of it is wanted.

    Raises:
        QueryError: an option does not fit the statement; as `run`.
    """
    loads = sorted(_loads(statement), key=lambda load: load.fetch)  # an object may be selected and a target, too
    count = len(statement._outputs)
    sides = list(_sides(statement))
    columns = [each.column for each in loads if each.column is not None]
    parts = run(statement._with(_outputs=(*statement._outputs, *columns), _options=()))
    loaded: Refs = {}
    refused: list[Refs] = [{} for _ in loads]
    ahead = 1
    while some := list(islice(parts, None if whole else ahead)):
        ahead = min(2 * ahead, AHEAD)
        at = count
        for load, mine in zip(loads, refused, strict=True):
            objects = list(chain.from_iterable([part[load.output].tolist() for part in some]))
            refs = loaded if load.fetch else mine
            if load.column is None:
                _load_holders(statement, load, objects, refs)
            else:
                keys = list(chain.from_iterable([part[at].tolist() for part in some]))
                at += 1
                _fill(statement, load, objects, {load.cls: set(keys) - {None}}, refs)
                found = list(map(refs.get(load.cls, {}).get, keys))
                if not all(found):
                    objects, found = list(compress(objects, found)), list(filter(None, found))
                # As an attribute: `__dict__` would make a dictionary for each object, which the cycle collector walks.
                drain(map(object.__setattr__, objects, repeat(load.name), found))
            _lead_on(statement, load, objects, refs)
        for output, side in sides:
            objects = list(chain.from_iterable([part[output].tolist() for part in some]))
            fetch_related(statement._home, side, objects)
        yield from (part[:count] for part in some)


def _loads(statement: Select[Any]) -> Iterator[_Load]:
    ways = [way_of(field) for option in statement._options for field in option.fields]
    wanted = [field for field, _ in ways]
    strict = any(option.strict for option in statement._options)
    used: set[int] = set()
    for place, output in enumerate(statement._outputs):
        item: Any = output._of if isinstance(output, Label) else output
        cls = _class_given(output)
        if not isinstance(cls, type):
            continue
        for name, info in getattr(cls, "__pydantic_fields__", {}).items():
            mine = [at for at, each in enumerate(wanted) if each._path == (name,) and issubclass(cls, each._cls)]
            used.update(mine)
            found = classes_in(info.annotation)
            if found and (mine or strict):
                alone = len(found) == 1 and all(referred_class(arm) or arm is NoneType for arm in arms(info.annotation))
                then = tuple([ways[at][1] for at in mine if ways[at][1]])
                yield _Load(place, name, bool(mine), attribute(item, name) if alone else None, found[0], then)
    for at, each in enumerate(wanted):
        if at not in used:
            raise QueryError(f"prefetch({each}): the statement gives no objects of {each._cls.__qualname__}")


def _sides(statement: Select[Any]) -> Iterator[tuple[int, OtherSide]]:
    """The outputs with objects to which something refers that is to be found."""
    for side in dict.fromkeys(side for option in statement._options for side in option.sides):
        places = [at for at, each in enumerate(statement._outputs) if _class_given(each) is side._cls]
        if not places:
            raise QueryError(f"prefetch({side}): the statement gives no objects of {side._cls.__qualname__}")
        yield from ((at, side) for at in places)


def _class_given(output: Any) -> Any:
    """The class of the objects that an output gives; None if it gives none."""
    item = output._of if isinstance(output, Label) else output
    return item._cls if isinstance(item, Item) else None


def _fill(
    statement: Select[Any], load: _Load, objects: Sequence[Any], keys: Mapping[type[Any], set[Any]], refs: Refs
) -> None:
    """Make the references to these keys that `refs` lacks."""
    for cls, wanted in keys.items():
        known = refs.setdefault(cls, {})
        missing = wanted - known.keys()
        space = _space(statement._source, objects) if missing else None
        if space is None:  # nothing is missing, or no session knows the objects
            continue
        if load.fetch:
            known.update(fetched(space, cls, missing))
        else:
            refused = Refused(f"{statement._outputs[load.output]._tp.__qualname__}.{load.name}", space)
            known.update((key, make_ref(cls, key, refused)) for key in missing)


def _space(source: Any, objects: Sequence[Any]) -> Any:
    """What finds the targets of the objects of a statement; None for plain objects of no session."""
    rows = getattr(source.rows if isinstance(source, Entities) else source, "rows", None)
    found = getattr(rows, "space", None)
    return found or next((proxy_state(obj)[0].space for obj in objects if is_proxy(obj)), None)


def _load_holders(statement: Select[Any], load: _Load, objects: Sequence[Any], refs: Refs) -> None:
    """Replace references in collections, and in fields that refer to several classes."""
    values = [(obj, field_value(obj, load.name)) for obj in objects if obj is not None]  # None: of an outer join
    keys: dict[type[Any], set[Any]] = {}
    for _, value in values:
        for ref in _refs_in(value):
            keys.setdefault(ref._cls, set()).add(ref.key)
    _fill(statement, load, objects, keys, refs)

    def known(ref: Any) -> Any:
        return refs.get(ref._cls, {}).get(ref.key, ref) if type(ref) is Ref else ref

    for obj, value in values:
        if type(value) is list:
            value[:] = map(known, value)
        elif type(value) is dict:
            value.update({key: known(each) for key, each in value.items()})
        elif type(value) is set:
            found = list(map(known, value))
            value.clear()
            value.update(found)
        elif type(value) is Ref:
            get_dict(obj)[load.name] = known(value)
        elif type(value) in (tuple, frozenset):
            get_dict(obj)[load.name] = type(value)(map(known, value))


def _lead_on(statement: Select[Any], load: _Load, objects: Sequence[Any], refs: Refs) -> None:
    """Look up what references in the targets of a field lead to, as its `then` says."""
    if not load.then:
        return
    targets: dict[int, Any] = {}
    for obj in objects:
        for ref in () if obj is None else _refs_in(field_value(obj, load.name)):
            with suppress(NoResultFound):
                targets.setdefault(id(ref.target), ref.target)
    for name in dict.fromkeys(names[0] for names in load.then):
        then = tuple([names[1:] for names in load.then if names[0] == name and names[1:]])
        following = load._replace(name=name, column=None, then=then)
        mine = [obj for obj in targets.values() if name in obj.__class__.__pydantic_fields__]
        _load_holders(statement, following, mine, refs)
        _lead_on(statement, following, mine, refs)


def _refs_in(value: Any) -> list[Any]:
    """The references in the value of a field. Lazy collections are not read for this."""
    if type(value) is Ref:
        return [value]
    items = value.values() if type(value) is dict else value if type(value) in _HOLDERS else ()
    return [each for each in items if type(each) is Ref and each.key is not None]


_HOLDERS = frozenset({list, set, tuple, frozenset})
