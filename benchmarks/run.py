"""``python -m benchmarks.run WORKLOAD``: figures of this machine, as a table and, with ``--json``, in full.

`world`: saving, opening, loading and changing a world of players, beside what else a user could pick.
`stream`: memory and time of collections larger than memory, written from generators and scanned.
`scale`: opening, finding and appending in files of a thousand rows up to millions.
`growth`: looking up in a map grown in a thousand commits, beside one written at once.
`update`: commits of one changed row, with and without waiting for the disk, beside other stores.
`edits`: one edit of what one of many owners holds, in every shape, beside other stores and an earlier version.
`churn`: a file after ten thousand edits, each committed, beside its compacted copy.
`conversations`: messages appended one by one to many conversations, in few and in many commits.
`many`: a commit of very many changed rows beside a save, and a diff of very many.
`classes`: defining, dumping and loading classes that hold each other, and classes of many fields.
`query`: questions on one table of many rows, beside a Python loop and other stores.
`vectors`: the nearest of a million vectors, beside numpy and LanceDB.
`text`: text search of very many short texts, beside SQLite's FTS5.
`prefetch`: objects selected together with the targets of their references, beside SQLAlchemy.
`arrow`: DuckDB and Polars over a file of entities, beside their own. `bulk`:
very many objects stored at once, or changed by statements, beside SQLAlchemy.
`steady`: very many commits in one session, of entities and of collections: time, bytes and memory of each tenth.
`evolution`: a file opened with a class that changed, beside the class that wrote it.
`inspecting`: a large file inspected in a process of its own: time, memory, bytes read.
`backup`: a large file copied whole, and after one commit: bytes that are copied, and time.
`dataset`: a group-by over many part files in one process, on Dask and on Ray.
`remote`: a file of a million players read from a web server and from S3, beside the whole object.
`rust`: the world and a list of a million players, beside the Rust crate `parcode`, which cargo builds.
`fresh`: whole processes that import the package, open a file and read a field, beside imports of Pydantic.
`calls`: calls, modules and changes of floor of a read, a lookup and a commit.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import (
    arrow,
    backup,
    bulk,
    calls,
    churn,
    classes,
    conversations,
    dataset,
    edits,
    evolution,
    fresh,
    growth,
    inspecting,
    many,
    peers,
    prefetch,
    query,
    remote,
    report,
    rust,
    scale,
    steady,
    stream,
    text,
    update,
    vectors,
    world,
)
from benchmarks.before import checkout
from benchmarks.trees.shapes import SHAPES

Run = Callable[[argparse.Namespace, Path], dict[str, Any]]


def number(text: str) -> int:
    """A count on the command line, as 20000000 or 20_000_000."""
    found = int(text)
    if found < 1:
        raise argparse.ArgumentTypeError(f"{found} is not 1 or more")
    return found


def names(known: tuple[str, ...], what: str) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        found = text.split(",")
        if unknown := set(found).difference(known):
            raise argparse.ArgumentTypeError(
                f"no such {what}: {', '.join(sorted(unknown))}; there are {', '.join(known)}"
            )
        return found

    return parse


def parser() -> argparse.ArgumentParser:
    everywhere = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    everywhere.add_argument("--json", type=Path, metavar="FILE", help="also write every figure there")
    everywhere.add_argument(
        "--dir", type=Path, help="where to put the files (default: the system's temporary directory)"
    )
    top = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__, allow_abbrev=False)
    workloads = top.add_subparsers(dest="workload", required=True)

    def workload(module: Any, run: Run, text: Callable[[dict[str, Any]], str]) -> argparse.ArgumentParser:
        name = module.__name__.rsplit(".", 1)[1]
        added = workloads.add_parser(name, description=module.__doc__, parents=[everywhere], allow_abbrev=False)
        added.set_defaults(run=run, text=text)
        return added

    def add_peers(added: argparse.ArgumentParser, known: tuple[str, ...]) -> None:
        help = "modules of benchmarks/peers, by commas"
        added.add_argument("--peers", type=names(known, "peer"), default=list(known), help=help)

    def add_before(added: argparse.ArgumentParser) -> None:
        help = "a checkout of an earlier version, to measure beside"
        added.add_argument("--before", type=checkout, metavar="DIR", help=help)

    each = workload(world, lambda o, at: world.world(o.peers, o.users, o.repeat, not o.no_memory, at), report.text)
    each.add_argument("--users", type=number, default=100_000, help="players in the world; the blob shrinks with them")
    each.add_argument("--repeat", type=number, default=5, help="rounds")
    each.add_argument("--no-memory", action="store_true", help="do not measure peak memory")
    add_peers(each, peers.MODULES)
    each = workload(stream, lambda o, at: stream.stream(o.rows, o.pairs, at), stream.text)
    each.add_argument("--rows", type=number, default=20_000_000, help="models in the list")
    each.add_argument("--pairs", type=number, default=5_000_000, help="models in the map")
    each = workload(scale, lambda o, at: scale.scale(o.smallest, o.largest, o.commits, at), scale.text)
    each.add_argument("--from", dest="smallest", type=number, default=1_000, help="rows of the first file")
    each.add_argument(
        "--to", dest="largest", type=number, default=10_000_000, help="rows at most; each file ten times more"
    )
    each.add_argument("--commits", type=number, default=30, help="appends and inserts a file")
    each = workload(growth, lambda o, at: growth.growth(o.pairs, o.rounds, at), growth.text)
    each.add_argument("--pairs", type=number, default=1_000_000, help="pairs in the map in the end")
    each.add_argument("--rounds", type=number, default=15, help="rounds of lookups")
    each = workload(update, lambda o, at: update.update(o.peers, o.users, o.commits, o.repeat, at), update.text)
    each.add_argument("--users", type=number, default=100_000, help="players in the world")
    each.add_argument("--commits", type=number, default=100, help="commits a round")
    each.add_argument("--repeat", type=number, default=5, help="rounds")
    add_peers(each, peers.UPDATING)
    add_edits(workload, add_before)
    each = workload(classes, lambda o, at: classes.classes(o.shapes), classes.text)
    shapes = tuple(classes.SHAPES)
    help = f"by commas, of {', '.join(shapes)}"
    each.add_argument("--shapes", type=names(shapes, "shape"), default=list(shapes), help=help)
    each = workload(query, lambda o, at: query.query(o.rows, at), query.text)
    each.add_argument("--rows", type=number, default=1_000_000, help="in the table")
    each = workload(vectors, lambda o, at: vectors.vectors(o.rows, at), vectors.text)
    each.add_argument("--rows", type=number, default=1_000_000, help="vectors of 384 float32")
    each = workload(arrow, lambda o, at: arrow.run(o.rows, at), arrow.text)
    each.add_argument("--rows", type=number, default=1_000_000, help="players")
    each = workload(text, lambda o, at: text.run(o.rows, at), text.text)
    each.add_argument("--rows", type=number, default=1_000_000, help="texts")
    each = workload(bulk, lambda o, at: bulk.bulk(o.rows, at), bulk.text)
    each.add_argument("--rows", type=number, default=200_000, help="in the table")
    each = workload(prefetch, lambda o, at: prefetch.run(o.rows, o.repeat, at), prefetch.text)
    each.add_argument("--rows", type=number, default=100_000, help="that refer to others")
    each.add_argument("--repeat", type=number, default=5, help="rounds")
    each = workload(evolution, lambda o, at: evolution.evolution(o.rows, at), evolution.text)
    each.add_argument("--rows", type=number, default=1_000_000, help="in the map")
    each = workload(inspecting, lambda o, at: inspecting.inspecting(o.megabytes, at), inspecting.text)
    each.add_argument("--megabytes", type=number, default=1_000, help="of the file")
    each = workload(backup, lambda o, at: backup.backups(o.megabytes, at), backup.text)
    each.add_argument("--megabytes", type=number, default=1_000, help="of the file")
    each = workload(dataset, lambda o, at: dataset.run(o.rows, o.parts, at), dataset.text)
    each.add_argument("--rows", type=number, default=1_000_000, help="in all parts")
    each.add_argument("--parts", type=number, default=10, help="files")
    each = workload(remote, lambda o, at: remote.run(o.rows, at), remote.text)
    each.add_argument("--rows", type=number, default=1_000_000, help="players")
    each = workload(rust, lambda o, at: rust.rust(o.users, o.rows, o.repeat, at), rust.text)
    each.add_argument("--users", type=number, default=100_000, help="players in the world")
    each.add_argument("--rows", type=number, default=1_000_000, help="players in the list")
    each.add_argument("--repeat", type=number, default=5, help="rounds")
    each = workload(fresh, lambda o, at: fresh.fresh(o.rounds, at), fresh.text)
    each.add_argument("--rounds", type=number, default=15, help="how often each program runs")
    workload(calls, lambda o, at: calls.calls(at), calls.text)
    return top


def add_edits(
    workload: Callable[..., argparse.ArgumentParser], add_before: Callable[[argparse.ArgumentParser], None]
) -> None:
    """What a commit costs after small changes, one and very many."""
    each = workload(edits, edits.run, edits.text)
    shapes = tuple(SHAPES)
    help = f"by commas, of {', '.join(shapes)}"
    each.add_argument("--shapes", type=names(shapes, "shape"), default=list(shapes), help=help)
    each.add_argument("--sizes", type=edits.sizes, metavar="OWNERSxITEMS,...", help="default: each shape's own")
    each.add_argument("--repeat", type=number, default=7, help="edits a case")
    each.add_argument("--no-peers", action="store_true", help="neither SQLite nor ZODB")
    add_before(each)
    each = workload(churn, lambda o, at: churn.churn(o.owners, o.items, o.edits, at), churn.text)
    each.add_argument("--owners", type=number, default=2_000, help="in a map")
    each.add_argument("--items", type=number, default=100, help="in each owner's list")
    each.add_argument("--edits", type=number, default=10_000, help="each committed")
    each = workload(
        conversations,
        lambda o, at: conversations.conversations(o.conversations, o.messages, o.commits, o.before, at),
        conversations.text,
    )
    each.add_argument("--conversations", type=number, default=2_000)
    each.add_argument("--messages", type=number, default=30_000, help="appended one by one")
    each.add_argument("--commits", type=number, nargs="+", default=[31, 3_000], help="a file each")
    add_before(each)
    each = workload(steady, lambda o, at: steady.steady(o.rows, o.messages, o.conversations, o.before, at), steady.text)
    each.add_argument("--rows", type=number, default=1_000_000, help="entities in the end")
    each.add_argument("--messages", type=number, default=30_000, help="appended to the conversations")
    each.add_argument("--conversations", type=number, default=2_000)
    add_before(each)
    each = workload(many, lambda o, at: many.many(o.rows, o.changed, o.repeat, at), many.text)
    each.add_argument("--rows", type=number, default=40_000, help="changed in place and committed")
    each.add_argument("--changed", type=number, default=200_000, help="rows in the diff")
    each.add_argument("--repeat", type=number, default=3, help="rounds")


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="parcode-bench-") as directory:
        result = options.run(options, Path(directory))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    print(options.text(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
