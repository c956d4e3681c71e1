#!/usr/bin/env bash
# polars 2.1.0 with pyarrow 26.0.1: from_arrow makes a DataFrame of a table of pyarrow, and a Series of structs of an object that
# gives the same stream by the Arrow PyCapsule interface. DataFrame(...) makes a DataFrame of both. Fails if that changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q "polars==2.1.0" "pyarrow==26.0.1"
"$scratch/venv/bin/python" - <<'PY'
import polars
import pyarrow as pa

table = pa.table({"lap": [1, 2]})


class Stream:
    def __arrow_c_stream__(self, requested_schema=None):
        return table.__arrow_c_stream__(requested_schema)


found = {
    "from_arrow(table)": type(polars.from_arrow(table)).__name__,
    "from_arrow(stream)": type(polars.from_arrow(Stream())).__name__,
    "DataFrame(stream)": type(polars.DataFrame(Stream())).__name__,
}
print(found)
assert found == {
    "from_arrow(table)": "DataFrame", "from_arrow(stream)": "Series", "DataFrame(stream)": "DataFrame",
}
PY
