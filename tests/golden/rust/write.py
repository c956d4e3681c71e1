"""``python -m tests.golden.rust.write [DIRECTORY]``: write the files with each version of the Rust crate, by cargo.

Without a directory the files that are missing here are written. A file is written once and never again: the order of
Rust's maps is random.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
VERSIONS = ("0.3.1", "0.5.0", "0.6.1")
LARGEST = 4_000  # bytes of a file that is kept
MANIFEST = """
[package]
name = "golden"
version = "0.1.0"
edition = "2024"
[workspace]
[[bin]]
name = "golden"
path = "{source}"
[features]
older = []
[dependencies]
parcode = {{ version = "={version}", features = ["lz4_flex"] }}
serde = {{ version = "1", features = ["derive"] }}
"""


def write(directory: Path, version: str) -> None:
    """Write the files of one version into a directory.

    Raises:
        CalledProcessError: cargo failed; what it says stands on stderr.
    """
    with tempfile.TemporaryDirectory() as project:
        manifest = Path(project) / "Cargo.toml"
        manifest.write_text(MANIFEST.format(source=HERE / "main.rs", version=version))
        older = ["--features", "older"] if version < "0.6" else []
        command = ["cargo", "run", "--quiet", "--manifest-path", str(manifest), *older]
        subprocess.run([*command, "--", str(directory), version], check=True)


def main() -> None:
    for version in VERSIONS:
        with tempfile.TemporaryDirectory() as directory:
            write(Path(directory), version)
            for path in Path(directory).iterdir():
                if path.stat().st_size <= LARGEST and not (HERE / path.name).exists():
                    shutil.copy(path, HERE)


if __name__ == "__main__":
    if sys.argv[1:]:
        for each in VERSIONS:
            write(Path(sys.argv[1]), each)
    else:
        main()
