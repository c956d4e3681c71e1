#!/usr/bin/env bash
# numpy 2.4.6 on CPython 3.11: Ctrl-C at one of two moments of the first `import numpy` leaves a process that cannot import
# numpy again. The extension module is loaded by then, `numpy` itself is taken out of sys.modules, and each later import
# ends with "ImportError: cannot load module more than once per process". Interrupted elsewhere, the next import works.
# Seen: numpy._core._exceptions and numpy.dtypes lock it out; numpy.linalg, numpy.lib and numpy._core._methods do not.
# Fails if that changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q "numpy==2.4.6"
cat > "$scratch/interrupted.py" <<'PY'
"""Send SIGINT when the module named by the first argument begins to load, then import numpy again."""
import signal
import sys

sent = []


def interrupt(event, arguments):
    if event == "import" and arguments[0] == sys.argv[1] and not sent:
        sent.append(True)
        signal.raise_signal(signal.SIGINT)


sys.addaudithook(interrupt)
try:
    import numpy
except KeyboardInterrupt:
    pass
assert sent, "the module was not loaded"
try:
    import numpy
except ImportError as problem:
    print("locked out:", str(problem).splitlines()[0])
else:
    print("imported", numpy.__version__)
PY
for module in numpy._core._exceptions numpy.dtypes; do
  found=$("$scratch/venv/bin/python" "$scratch/interrupted.py" "$module")
  echo "$module: $found"
  [ "$found" = "locked out: cannot load module more than once per process" ]
done
for module in numpy.linalg numpy.lib numpy._core._methods; do
  found=$("$scratch/venv/bin/python" "$scratch/interrupted.py" "$module")
  echo "$module: $found"
  [ "$found" = "imported 2.4.6" ]
done
