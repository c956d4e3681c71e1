"""Ours without the disk barriers, to be read beside the peers that do not wait for the disk either."""

from __future__ import annotations

from benchmarks.peers.parcode import Parcode

PEER = Parcode("Parcode ORM, fast", "fast")
