#!/usr/bin/env bash
# Polars 2.1.0: write_ipc_stream takes a column of type Object without an error, and the stream gives it back as Binary, whose
# values are not the objects. write_parquet refuses the same column. Fails if that changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q "polars==2.1.0"
"$scratch/venv/bin/python" - <<'PY'
import io

import polars as pl

frame = pl.DataFrame({"n": [1, 2], "o": pl.Series([{1}, {2}], dtype=pl.Object)})
stream = io.BytesIO()
frame.write_ipc_stream(stream)
back = pl.read_ipc_stream(io.BytesIO(stream.getvalue()))
try:
    frame.write_parquet(io.BytesIO())
    parquet = "written"
except Exception as problem:
    parquet = "refused"
found = {
    "type that was written": str(frame.schema["o"]),
    "type that was read": str(back.schema["o"]),
    "an object came back": any(isinstance(value, set) for value in back["o"].to_list()),
    "numbers beside it": back["n"].to_list(),
    "Parquet": parquet,
}
print(found)
assert found == {
    "type that was written": "Object",
    "type that was read": "Binary",
    "an object came back": False,
    "numbers beside it": [1, 2],
    "Parquet": "refused",
}
PY
