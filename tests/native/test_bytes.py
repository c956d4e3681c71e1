"""Files have the same bytes with and without the native core."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import parcode_orm

pytestmark = pytest.mark.once


@pytest.mark.skipif(not parcode_orm.accelerated, reason="the native core is not compiled, or switched off")
def test_files_are_equal_with_and_without_the_core() -> None:
    printed = [
        subprocess.run(
            [sys.executable, "-m", "tests.native.worlds"],
            env={**os.environ, "PARCODE_PURE": pure},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for pure in ("0", "1")
    ]
    assert printed[0] == printed[1] and len(printed[0]) > 40
