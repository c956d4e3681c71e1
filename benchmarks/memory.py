"""Peak memory of one save or full load, in a process of its own.

``python -m benchmarks.memory PEER {save,load} PATH PLAYERS`` prints how many bytes the peak stood above what the
process held before. Mapped pages of a file that were read count as held.
"""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
from pathlib import Path

from benchmarks import peers
from benchmarks.worlds import world_data

ROOT = Path(__file__).resolve().parents[1]


def _status(field: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":")), None)


def _peak() -> int:
    # ru_maxrss of a child starts at its parent's size, VmHWM at nothing; so that one is preferred where it exists.
    if (peak := _status("VmHWM")) is not None:
        return peak
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _held() -> int:
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew from here
    except OSError:
        return _peak()
    return _status("VmRSS") or _peak()


def measure(module: str, what: str, path: Path, players: int) -> int:
    peer = peers.find(module)
    world = peer.build(world_data(players)) if what == "save" else None
    gc.collect()
    before = _held()
    if what == "save":
        peer.save(path, world)
    else:
        world = peer.full_load(path)
    return max(0, _peak() - before)


def in_subprocess(module: str, what: str, path: Path, players: int) -> int:
    command = [sys.executable, "-m", "benchmarks.memory", module, what, str(path), str(players)]
    return int(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)


if __name__ == "__main__":
    print(measure(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))
