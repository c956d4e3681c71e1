#!/usr/bin/env bash
# polars 2.1.0 with pyarrow 26.0.1: DataFrame(...) of a sequence or a mapping that has __arrow_c_stream__ as well does not ask for the
# stream. It makes a column of the items, or a column of each key. Of any other object it takes the stream. Fails if that changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q "polars==2.1.0" "pyarrow==26.0.1"
"$scratch/venv/bin/python" - <<'PY'
from collections import UserDict, UserList

import polars
import pyarrow as pa

table = pa.table({"lap": [1, 2]})


class Stream:
    def __arrow_c_stream__(self, requested_schema=None):
        return table.__arrow_c_stream__(requested_schema)


class Items(Stream, UserList):
    pass


class Pairs(Stream, UserDict):
    pass


assert polars.DataFrame(Stream()).columns == ["lap"]
assert polars.DataFrame(Items([7, 8])).columns == ["column_0"]
assert polars.DataFrame(Pairs({"a": [1], "b": [2]})).columns == ["a", "b"]
print("polars asks a sequence and a mapping for items, not for a stream")
PY
