#!/usr/bin/env bash
# duckdb 2.0.1 with pyarrow 26.0.1 and polars 2.1.0: a duration of Arrow that goes through a query is an interval of months, days and
# nanoseconds afterwards, and DuckDB's own .pl() raises an error of Polars, which takes no such intervals. Fails if that changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q "duckdb==2.0.1" "pyarrow==26.0.1" "polars==2.1.0"
"$scratch/venv/bin/python" - <<'PY'
from datetime import timedelta

import duckdb
import polars
import pyarrow as pa

laps = pa.table({"lap": pa.array([timedelta(seconds=5)], pa.duration("us"))})
assert polars.from_arrow(laps)["lap"].to_list() == [timedelta(seconds=5)]
back = duckdb.sql("select lap from laps").to_arrow_table()
try:
    duckdb.sql("select lap from laps").pl()
    refused = None
except polars.exceptions.ComputeError as problem:
    refused = str(problem)
print(back.schema.field("lap").type, "|", refused)
assert back.schema.field("lap").type == pa.month_day_nano_interval()
assert refused is not None and "month_day_nano_interval" in refused
PY
