"""The rivals, one file each; what they have in common is `base.Peer`."""

from __future__ import annotations

import importlib

from benchmarks.peers.base import Peer

OURS = "parcode"
MODULES = (
    "pickled",
    "pydantic_json",
    "msgspec_msgpack",
    "lmdb_msgpack",
    "shelved",
    "zodb_btree",
    "sqlalchemy_sqlite",
    "parcode_fast",
    OURS,
)
UPDATING = ("lmdb_msgpack", "sqlalchemy_sqlite", "zodb_btree", OURS)  # those with `writers`


def find(module: str) -> Peer:
    """The peer in that module; `ImportError` when the package it needs is not installed."""
    peer: Peer = importlib.import_module(f"benchmarks.peers.{module}").PEER
    return peer
