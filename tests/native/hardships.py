"""`python -m tests.native.hardships memory|hostile` calls each function in C as no caller does.

`memory`: each allocation fails in turn, and nothing may leak. `hostile`: buffers, numbers and lists are others than
those that belong there. What is wrong ends the process with an error, and the last line printed names the function.
"""

from __future__ import annotations

import gc
import os
import resource
import struct
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain, count
from random import Random
from types import NoneType
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

from parcode_orm import native
from tests.native.cases import CASES
from tests.native.test_compiled import FILLED, _core, outcome, typed

Arguments = tuple[Any, ...]
MANY = 25  # allocations that fail one by one; later ones are a sample
CALLS = 30
NO_DICT = "This object has no __dict__"  # what CPython says where it has no memory for one


def with_examples(name: str, examples: int, check: Callable[[str, Arguments], None]) -> None:
    print(name, flush=True)

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(CASES[name])
    def run(arguments: Arguments) -> None:
        check(name, arguments)

    run()


def copied(arguments: Arguments) -> list[Any]:
    return [each.copy() if isinstance(each, FILLED) else each for each in arguments]


# -- allocations that fail ---------------------------------------------------------------------------------------------


def failing(function: Any, arguments: Arguments) -> Iterator[Any]:
    """What calls give in which one allocation fails, the first, the second and so on: until some have not failed."""
    import _testcapi

    fine = 0
    for number in chain(range(1, MANY), (MANY * 3**i for i in count())):
        arranged = copied(arguments)
        _testcapi.set_nomemory(number, number + 1)
        try:
            found = function(*arranged)
        except Exception as error:
            _testcapi.remove_mem_hooks()
            if str(error) == NO_DICT:
                error = MemoryError()
            fine = fine + 1 if not isinstance(error, MemoryError) else 0
            yield type(error)
        else:
            _testcapi.remove_mem_hooks()
            fine += 1
            yield typed(found), [typed(each) for each in arranged if isinstance(each, FILLED)]
        if fine > 3:
            return


def counts(arguments: Arguments) -> list[int]:
    """The references to arguments and to what lists and tuples among them hold, but to what Python itself refers to."""
    within = [item for each in arguments if isinstance(each, list | tuple) for item in each]
    return [sys.getrefcount(each) for each in chain(arguments, within) if not isinstance(each, int | NoneType)]


def nothing_leaks(name: str, arguments: Arguments, call: Callable[[], Any]) -> None:
    """The first time is for what caches keep; of two more, one may meet with something that grows elsewhere."""
    used, references = [], []
    for _ in range(3):
        call()
        gc.collect()
        used.append(tracemalloc.get_traced_memory()[0])
        references.append(hash(tuple(counts(arguments))))
    assert min(used[2] - used[1], used[1] - used[0]) < 700, (name, used)
    assert references[1] in (references[0], references[2]), name


def memory(name: str, arguments: Arguments) -> None:
    function = getattr(_core, name)
    right = outcome(native.specifications[name], arguments)
    for found in failing(function, arguments):
        assert found is MemoryError or found == right, (name, found, right)
    del found
    nothing_leaks(name, arguments, lambda: list(failing(function, arguments)))

    def call() -> None:
        for _ in range(CALLS):
            with suppress(Exception):
                function(*copied(arguments))

    nothing_leaks(name, arguments, call)


# -- arguments that do not belong there --------------------------------------------------------------------------------

INTS = [-1, 0, 1, 2, 7, 8, 63, 64, 255, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64]
INTS += [-2, -8, -(1 << 31), -(1 << 63), -(1 << 63) - 1]
OTHERS = [None, True, 1.5, "text", "\ud800", b"", b"\0" * 9, (), [], {}, object(), range(3), 1j]


def other_buffer(data: bytes, random: Random) -> Any:
    """The same bytes or some of them, as a buffer of another kind, place, direction or number of axes."""
    data = data[: random.choice([0, 1, 2, 3, 7, 8, 9, len(data)])] if random.random() < 0.5 else data
    if random.random() < 0.3:
        data = random.randbytes(len(data))
    code = random.choice("cbB?hHiIlLqQnNfdP")
    width = struct.calcsize(code)
    odd = memoryview(b"x" * random.randrange(9) + data + bytes(-len(data) % width))
    odd = odd[len(odd) - len(data) - -len(data) % width :]
    kind = random.randrange(8)
    if kind == 0:
        return bytearray(data)
    if kind == 1:
        return odd.cast("B").cast(code)[:: random.choice([-1, 2, 3])]
    if kind == 2 and len(odd) // width:
        return odd.cast("B").cast(code, (1, len(odd) // width))
    if kind == 3:
        return np.frombuffer(odd, random.choice(["V1", "S1", "u1", "i1", "?"]))
    if kind == 4:
        return np.frombuffer(
            bytes(odd) + bytes(-len(odd) % 8), random.choice([">i8", "<f8", ">f4", "f2", "c8", "M8[s]"])
        )
    if kind == 5:
        return np.frombuffer(b"x" + bytes(odd) + bytes(-len(odd) % 4), "f4", offset=1, count=(len(odd) + 3) // 4)
    return odd.cast("B").cast(code)


def other(value: Any, random: Random) -> Any:
    """Something for the place of `value`: as a rule of a kind that it could be."""
    if random.random() < 0.1:
        return random.choice(OTHERS)
    if isinstance(value, bytes | memoryview):
        return other_buffer(bytes(value), random)
    if isinstance(value, np.ndarray):
        return other_buffer(value.tobytes(), random) if random.random() < 0.6 else value[: random.randrange(9)].copy()
    if isinstance(value, int):
        return random.choice(INTS) if random.random() < 0.8 else random.randrange(-9, 99)
    if isinstance(value, list | tuple):
        items = list(value)
        for _ in range(random.randrange(1, 4)):
            at = random.randrange(len(items) + 1)
            items[at : at + random.randrange(3)] = random.choices([*INTS, *OTHERS, *items], k=random.randrange(3))
        return items if isinstance(value, list) else tuple.__new__(type(value), items)
    return random.choice([*INTS, *OTHERS])


def hostile(name: str, arguments: Arguments) -> None:
    function, random = getattr(_core, name), Random(name)
    for _ in range(40):
        given = copied(arguments)
        for at in random.sample(range(len(given)), random.randint(1, min(2, len(given)))):
            given[at] = other(given[at], random)
        for each in given:  # nothing grows from one call to the next
            if isinstance(each, dict):
                each.clear()
        try:
            function(*given)
        except SystemError as error:
            raise AssertionError((name, given)) from error
        except Exception:
            pass


def main(what: str) -> None:
    if "asan" not in os.environ.get("LD_PRELOAD", ""):
        resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))
    if what == "memory":
        tracemalloc.start()
    gc.collect()
    gc.freeze()  # later collections look at new objects
    for name in sorted(CASES):
        if what == "memory":
            with_examples(name, 2, memory)
        else:
            with_examples(name, 8, hostile)


if __name__ == "__main__":
    main(sys.argv[1])
