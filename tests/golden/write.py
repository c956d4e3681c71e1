"""Writes the golden files that are missing: `python -m tests.golden.write`. Those that are there stay as they are."""

from __future__ import annotations

from pathlib import Path

from . import states
from .features import FEATURES, check

HERE = Path(__file__).parent
LIMIT = 20 * 1024  # bytes


def write(directory: Path = HERE) -> list[str]:
    """Write what is missing in `directory`, and return the names."""
    written: list[Path] = []
    for name, feature in FEATURES.items():
        path = directory / f"{name}.par"
        if not path.exists():
            feature.write(path)
            check(name, path)
            written.append(path)
    for number, name in enumerate(states.NAMES, 1):
        path = directory / "states" / f"{name}.par"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            states.write(path, number)
            written.append(path)
    for path in written:
        assert path.stat().st_size <= LIMIT, f"{path} has {path.stat().st_size} bytes"
    return [path.stem for path in written]


if __name__ == "__main__":
    print("\n".join(write()) or "nothing is missing")
