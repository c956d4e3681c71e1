"""Programs of the tests in processes, with the package that is imported here and not one beside `tests`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import parcode_orm

ROOT = Path(__file__).parents[2]
START = (
    "import runpy, sys; import parcode_orm; sys.path.insert(0, sys.argv.pop(1)); "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


def run(module: str, *arguments: str, pure: str = "0") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-X", "faulthandler", "-c", START, str(ROOT), module, *arguments]
    path = os.pathsep.join([str(Path(parcode_orm.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PARCODE_PURE": pure, "PYTHONPATH": path}
    return subprocess.run(command, env=env, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
