"""Lets a plain `tox` find interpreters that pyenv has installed but not put on the PATH.

tox loads this file by itself. pyenv's shims answer only for the versions it has activated, so the directories of all
installed versions are added at the end of the PATH: an interpreter that is already found there is still preferred.
"""

import os
from pathlib import Path


def _pyenv_directories() -> list[str]:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    return sorted(str(path) for path in root.glob("versions/*/bin"))


os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), *_pyenv_directories()])
