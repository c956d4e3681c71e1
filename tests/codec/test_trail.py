"""The path of an `EncodeError`, which grows as it passes the columns above the one that failed."""

from __future__ import annotations

import pytest

from parcode_orm.codec import trail
from parcode_orm.errors import EncodeError


def test_steps_are_put_before_the_path_with_dots_between_names() -> None:
    problem = trail.misfit([1, "x"], 1, "int")
    assert trail.row_of(problem) == 1 and problem.path == ""
    for step, row in (("level", 3), ("[3]", 0), ("rows", 0), ("['k']", 7)):
        assert trail.below(problem, step, row) is problem
    assert problem.path == "['k'].rows[3].level" and trail.row_of(problem) == 7


def test_the_first_value_of_another_type_is_named() -> None:
    problem = trail.first_misfit([1, True, None, "x"], (int,), "int")
    assert trail.row_of(problem) == 2 and "expected int, found None" in str(problem)


def test_a_value_that_cannot_be_shown_does_not_hide_the_error() -> None:
    class Silent:
        def __repr__(self) -> str:
            raise ValueError("no text")

    assert "found a value" in str(trail.misfit([Silent()], 0, "int"))
    assert len(str(trail.misfit(["x" * 500], 0, "int"))) < 200


@pytest.mark.parametrize(
    ("row", "expected"), [(0, (0, 0)), (1, (0, 1)), (2, (2, 0)), (4, (2, 2)), (5, (4, 0)), (9, (4, 0))]
)
def test_an_item_is_found_in_its_collection_past_empty_ones(row: int, expected: tuple[int, int]) -> None:
    """Collections of 2, 0, 3, 0 and 1 items; what lies behind them all is told of the last one."""
    problem = trail.at(EncodeError("wrong"), row)
    assert trail.owner(problem, [2, 0, 3, 0, 1]) == expected
