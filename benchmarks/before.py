"""A part of a workload in a process of its own, with an earlier version of the package.

``python -m benchmarks.before DIRECTORY MODULE ARGUMENTS`` imports ``parcode_orm`` from that checkout and the benchmarks
from this one, calls ``benchmarks.MODULE.child(*ARGUMENTS)`` and prints what it returns as JSON.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.memory import child


def checkout(text: str) -> Path:
    """The directory of an earlier version; for the command line."""
    found = Path(text).resolve()
    if not (found / "parcode_orm" / "__init__.py").is_file():
        raise argparse.ArgumentTypeError(f"{text} has no parcode_orm")
    return found


def before(directory: Path, module: str, *arguments: object) -> Any:
    """What the earlier version measured."""
    printed, _ = child("benchmarks.before", str(directory), module, *map(str, arguments))
    return json.loads(printed)


def main(directory: str, module: str, *arguments: str) -> None:
    sys.path.insert(0, directory)
    package = importlib.import_module("parcode_orm")
    if not Path(package.__file__ or "").is_relative_to(directory):
        raise ImportError(f"parcode_orm is of {package.__file__}, not of {directory}")
    print(json.dumps(importlib.import_module(f"benchmarks.{module}").child(*arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
