"""Compiles the native core while a wheel is built, or in a checkout: `python hatch_build.py`.

Where it cannot be compiled, or `PARCODE_PURE=1` is set, the wheel has the Python package alone, which does the same.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NATIVE = Path("parcode_orm", "native")


def compile_core(root: Path, scratch: Path) -> Path:
    """Compile the module into `scratch`, and give its path. Raises what the compiler driver raises."""
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    sources = sorted(str(path) for path in (root / NATIVE).glob("*.c"))
    options = (
        ["/O2"]
        if sys.platform == "win32"
        else [
            *("-O3", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden"),
            *("-Wall", "-Wextra", "-Wno-unused-parameter"),
        ]
    )
    extension = Extension(
        "_core", sources, extra_compile_args=options, depends=[str(path) for path in (root / NATIVE).glob("*.h")]
    )
    command = build_ext(Distribution({"name": "parcode_orm", "ext_modules": [extension]}))
    command.build_lib, command.build_temp, command.parallel = str(scratch), str(scratch / "objects"), os.cpu_count()
    command.ensure_finalized()
    command.run()
    return Path(command.get_ext_fullpath("_core"))


def put(built: Path, directory: Path) -> Path:
    """Put a compiled module into a directory, as a new file: writing into the one that is there ends programs that run
    it with a bus error."""
    beside = shutil.copy(built, directory / f"{built.name}.new")
    return Path(shutil.move(beside, directory / built.name))


class NativeCore(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel" or os.environ.get("PARCODE_PURE", "") not in ("", "0"):
            return
        root = Path(self.root)
        self.scratch = Path(tempfile.mkdtemp())
        try:
            built = compile_core(root, self.scratch)
        except Exception as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            self.app.display_warning(f"Parcode ORM is installed without its native core: {reason[-1][:100]}")
            return
        if version == "editable":
            built = put(built, root / NATIVE)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"][str(built)] = str(NATIVE / built.name)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if hasattr(self, "scratch"):
            shutil.rmtree(self.scratch, ignore_errors=True)


if __name__ == "__main__":
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as scratch:
        print(put(compile_core(here, Path(scratch)), here / NATIVE))
