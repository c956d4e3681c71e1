"""Memory of a step in a process of its own.

``python -m benchmarks.memory PEER {save,load} PATH PLAYERS`` prints how many bytes the peak stood above what the
process held before. Mapped pages of a file that were read count as held.
"""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import peers
from benchmarks.worlds import world_data

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("RssAnon", "RssFile")  # a process's own pages, and pages of files that it maps
SAMPLED_EVERY = 0.02  # seconds


def status(field: str, process: int | str = "self") -> int | None:
    """Bytes that Linux says of a process; None elsewhere, and when it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":")), None)


def peak() -> int:
    """The most bytes that this process ever had in memory."""
    # ru_maxrss of a child starts at its parent's size, VmHWM at nothing; so that one is preferred where it exists.
    if (found := status("VmHWM")) is not None:
        return found
    found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found if sys.platform == "darwin" else found * 1024


def held() -> int:
    """Bytes in memory now; `peak` starts anew from here where the system can do that."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return peak()
    return status("VmRSS") or peak()


def child(*arguments: str) -> tuple[str, dict[str, int]]:
    """Run ``python -m`` with `arguments`: what it prints, and the largest `PARTS` seen while it ran, sampled."""
    command = [sys.executable, "-m", *arguments]
    most: dict[str, int] = {}
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            for part in PARTS:
                if (found := status(part, process.pid)) is not None:
                    most[part] = max(most.get(part, 0), found)
            time.sleep(SAMPLED_EVERY)
        printed = process.communicate()[0]
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return printed, most


def measure(module: str, what: str, path: Path, players: int) -> int:
    peer = peers.find(module)
    world = peer.build(world_data(players)) if what == "save" else None
    gc.collect()
    before = held()
    if what == "save":
        peer.save(path, world)
    else:
        world = peer.full_load(path)
    return max(0, peak() - before)


def in_subprocess(module: str, what: str, path: Path, players: int) -> int:
    return int(child("benchmarks.memory", module, what, str(path), str(players))[0])


if __name__ == "__main__":
    print(measure(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])))
