"""The end of the pipeline: what goes out is what was put in, small parts together and large ones as they are."""

from __future__ import annotations

from array import array

import pytest

from parcode_orm.format.checksum import wide_checksum
from parcode_orm.storage.output import DIRECT, GATHER, Output

pytestmark = pytest.mark.once


def test_small_parts_go_out_together_and_large_ones_without_a_copy() -> None:
    written: list[object] = []
    out = Output(written.append)
    large = bytes(DIRECT)
    out.put(b"a")
    out.put(b"")
    out.put(memoryview(b"bc"))
    assert written == [] and out.position == 3
    out.put(large)
    assert written[0] == b"abc" and written[1] is large
    out.put(b"d")
    out.flush()
    out.flush()
    assert written[2:] == [b"d"] and out.position == DIRECT + 4


def test_what_waits_is_bounded() -> None:
    written: list[bytes] = []
    out = Output(lambda part: written.append(bytes(part)))
    part = bytes(DIRECT - 1)
    for _ in range(5):
        out.put(part)
    assert [len(each) for each in written] == [5 * len(part)] and 4 * len(part) < GATHER <= 5 * len(part)


def test_sizes_are_counted_in_bytes_whatever_the_items_are() -> None:
    written: list[bytes] = []
    out = Output(lambda part: written.append(bytes(part)), position=100)
    numbers = memoryview(array("q", [1, 2, 3]))
    out.put(numbers)
    assert out.position == 124 and out.put(align=64) == 128 and out.put(align=64) == 128
    out.put(numbers, b"x")
    out.put(b"y" * DIRECT, b"z")
    out.flush()
    expected = bytes(numbers) + bytes(4) + bytes(numbers) + b"x" + b"y" * DIRECT + b"z"
    assert b"".join(written) == expected and out.position == 100 + len(expected)


def test_the_digest_is_that_of_all_that_was_put() -> None:
    written: list[bytes] = []
    out = Output(lambda part: written.append(bytes(part)), hashed=True)
    out.put(b"head", b"x" * DIRECT)
    out.put(b"tail")
    digest = out.digest()
    out.flush()
    assert digest == wide_checksum(b"".join(written)) and written[-1] == b"tail"


def test_an_error_of_the_writer_is_raised_as_it_is() -> None:
    def fail(part: object) -> None:
        raise OSError(28, "no space")

    out = Output(fail)
    out.put(b"waits")
    with pytest.raises(OSError, match="no space"):
        out.flush()
