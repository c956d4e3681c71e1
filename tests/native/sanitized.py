"""`python -m tests.native.sanitized [pytest's arguments]` runs tests with the functions in C under AddressSanitizer and
UBSan, where gcc is. The package is copied and compiled elsewhere, so that what is installed stays as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
SANITIZE = "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g"
TESTS = [
    "tests/native",
    "tests/codec/test_hostile.py",
    "tests/codec/test_unpack.py",
    "tests/codec/test_whole.py",
    "tests/codec/test_vectors.py",
    "tests/crash/test_hostile_bytes.py",
    "tests/query/test_cases.py",
    "tests/query/test_distances.py",
    "tests/query/test_texts.py",
    "tests/query/test_random.py",
]


def main(arguments: list[str]) -> int:
    asked = ["gcc", "-print-file-name=libasan.so"]
    library = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    with TemporaryDirectory() as scratch:
        shutil.copytree(ROOT / "parcode_orm", Path(scratch, "parcode_orm"), ignore=shutil.ignore_patterns("_core.*.so"))
        shutil.copy(ROOT / "hatch_build.py", scratch)
        build = {**os.environ, "CC": "gcc", "CFLAGS": SANITIZE, "LDFLAGS": SANITIZE}
        subprocess.run([sys.executable, "hatch_build.py"], cwd=scratch, env=build, check=True)
        env = {
            **os.environ,
            "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1:quarantine_size_mb=32",
            "LD_PRELOAD": library.strip(),
            "PYTHONMALLOC": "malloc",
            "PYTHONPATH": os.pathsep.join([scratch, str(ROOT)]),
            "PYTHONSAFEPATH": "1",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(arguments or TESTS)]
        return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
