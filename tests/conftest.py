"""How much Hypothesis tries: HYPOTHESIS_PROFILE=thorough for long runs, "quick" by default."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Generated classes and large values are slow to draw, and no example is timed on a shared machine.
_common = settings(deadline=None, derandomize=False, print_blob=True, suppress_health_check=list(HealthCheck))
# The quick profile takes the same examples each time; "thorough" searches anew with every run.
settings.register_profile("quick", _common, max_examples=60, derandomize=True)
settings.register_profile("thorough", _common, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def pytest_report_header() -> str:
    import parcode_orm

    core = "with its native core" if parcode_orm.accelerated else "in plain Python"
    return f"parcode_orm: {core}, {Path(parcode_orm.__file__).parent}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--torture",
        type=float,
        default=0.0,
        metavar="LENGTH",
        help="run long versions of the tests that break things: 1 is what a release passes, 0 (the default) is quick",
    )


def pytest_configure(config: pytest.Config) -> None:
    length: float = config.getoption("--torture")
    if length:
        settings.register_profile("torture", _common, max_examples=60 + round(940 * length))
        settings.load_profile("torture")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import a file of which `-m once` or `-m "not once"` leaves out every test: importing takes long."""
    wanted: str = config.option.markexpr
    if wanted not in ("once", "not once") or not collection_path.match("test_*.py"):
        return None
    text = collection_path.read_text()
    left_out = "mark.once" not in text if wanted == "once" else "\npytestmark = pytest.mark.once\n" in text
    return left_out or None


@pytest.fixture(scope="module", autouse=True)
def _only_new_objects_are_looked_at() -> None:
    """Many tests collect garbage, and would look each time at all that was imported and compiled before them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def length(request: pytest.FixtureRequest) -> float:
    """How long a test may torture: 0 for its quick version."""
    found: float = request.config.getoption("--torture")
    return found


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Names of tests must not change from process to process: several of them run the tests together."""
    changing = [item.nodeid for item in items if " at 0x" in item.nodeid]
    if changing:
        raise pytest.UsageError(f"these tests are called after a place in memory, give them ids: {changing[:3]}")
