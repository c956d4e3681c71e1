#!/usr/bin/env bash
# duckdb 2.0.1: a column decimal(50, 2) of a Parquet file, which pyarrow 26.0.1 writes, is read as DOUBLE without a word, and digits are
# lost. The same table as Arrow is refused. Fails if that changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q "duckdb==2.0.1" "pyarrow==26.0.1"
cd "$scratch"
"$scratch/venv/bin/python" - <<'PY'
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

exact = Decimal("12345678901234567890.12")
table = pa.table({"price": pa.array([exact], pa.decimal256(50, 2))})
pq.write_table(table, "prices.parquet")
assert pq.read_table("prices.parquet")["price"].to_pylist() == [exact]
(kind, read), = duckdb.sql("select typeof(price), price from 'prices.parquet'").fetchall()
try:
    duckdb.from_arrow(table).fetchall()
    refused = None
except duckdb.NotImplementedException as problem:
    refused = str(problem)
print(kind, repr(read), "|", refused)
assert kind == "DOUBLE" and Decimal(read) != exact and refused is not None
PY
