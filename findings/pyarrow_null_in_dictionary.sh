#!/usr/bin/env bash
# pyarrow 26.0.1: a dictionary array may hold its null in the dictionary, as DictionaryArray.from_arrays() allows. `null_count` is 0
# then, while is_null() finds two; drop_null() drops none, and Parquet refuses the array. Fails if that changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q "pyarrow==26.0.1"
"$scratch/venv/bin/python" - <<'PY'
import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

codes, words = pa.array([0, 1, 1], pa.int32()), pa.array(["a", None])
array = pa.DictionaryArray.from_arrays(codes, words)
assert array.to_pylist() == ["a", None, None]
try:
    pq.write_table(pa.table({"word": array}), io.BytesIO())
    refused = None
except pa.ArrowNotImplementedError as problem:
    refused = str(problem)
found = {
    "null_count": array.null_count,
    "is_null": pc.is_null(array).to_pylist(),
    "drop_null": pc.drop_null(array).to_pylist(),
    "parquet": refused,
}
print(found)
assert found["null_count"] == 0 and found["is_null"] == [False, True, True]
assert found["drop_null"] == ["a", None, None] and "null encoded in dictionary" in found["parquet"]
PY
