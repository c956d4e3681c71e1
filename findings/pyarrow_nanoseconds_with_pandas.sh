#!/usr/bin/env bash
# pyarrow 26.0.1: to_pylist() of nanoseconds depends on whether pandas can be imported. Without it, a part of a microsecond raises
# ValueError. With it (3.1.1), time64[ns] gives a datetime.time without the nanoseconds, and no error, and timestamp[ns] gives a
# pandas.Timestamp in place of a datetime. Fails if that changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q "pyarrow==26.0.1"
cat > "$scratch/look.py" <<'PY'
import pyarrow as pa


def values(array):
    try:
        return [f"{type(value).__name__} {value}" for value in array.to_pylist()]
    except ValueError as problem:
        return "ValueError"


print({
    "time64": values(pa.array([1_001], pa.time64("ns"))),
    "timestamp, whole": values(pa.array([1_000], pa.timestamp("ns"))),
    "timestamp, part": values(pa.array([1_001], pa.timestamp("ns"))),
})
PY
without=$("$scratch/venv/bin/python" "$scratch/look.py")
"$scratch/venv/bin/pip" install -q "pandas==3.1.1"
with=$("$scratch/venv/bin/python" "$scratch/look.py")
printf 'without pandas: %s\nwith pandas: %s\n' "$without" "$with"
expected_without="{'time64': 'ValueError', 'timestamp, whole': ['datetime 1970-01-01 00:00:00.000001'], 'timestamp, part': 'ValueError'}"
expected_with="{'time64': ['time 00:00:00.000001'], 'timestamp, whole': ['Timestamp 1970-01-01 00:00:00.000001'], 'timestamp, part': ['Timestamp 1970-01-01 00:00:00.000001001']}"
[ "$without" = "$expected_without" ]
[ "$with" = "$expected_with" ]
