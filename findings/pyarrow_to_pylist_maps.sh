#!/usr/bin/env bash
# pyarrow 26.0.1: `to_pylist(maps_as_pydicts="strict")` takes about 20 times as long as `to_pylist()` for values that hold no maps, and
# gives the same. With the argument each value is made by a scalar; without it there is a faster way. Seen: 17 and 352 ns a text.
# Fails if the argument costs less than 5 times as much.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q "pyarrow==26.0.1"
"$scratch/venv/bin/python" - <<'PY'
import time

import pyarrow as pa


def least(function, times=20):
    """The least CPU time of one call."""
    found = []
    for _ in range(times):
        start = time.process_time()
        function()
        found.append(time.process_time() - start)
    return min(found)


texts = pa.array([f"x{n}" for n in range(20_000)])
rows = pa.array([{"a": n, "b": f"x{n}"} for n in range(20_000)])
for name, array in {"texts": texts, "rows": rows}.items():
    assert array.to_pylist() == array.to_pylist(maps_as_pydicts="strict")
    plain, maps = least(array.to_pylist), least(lambda array=array: array.to_pylist(maps_as_pydicts="strict"))
    print(f"{name}: {plain / len(array) * 1e9:.0f} ns a value, with maps_as_pydicts {maps / len(array) * 1e9:.0f}: {maps / plain:.1f} times")
    assert name != "texts" or maps > 5 * plain
PY
