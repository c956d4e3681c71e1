#!/usr/bin/env bash
# numpy 2.5.5 on CPython 3.12 and later: `numpy.typing.NDArray` is a `typing.TypeAliasType`, where numpy 2.4.6 has a generic
# alias of ndarray. So `typing.get_origin(NDArray[np.float32])` is the alias, and no class; its arguments are (float32,),
# not a shape and a dtype. With Pydantic 2.14.4, a marker in `Annotated[NDArray[np.float32], marker]` is given this alias as
# its source type, not the array that it stands for. Code that looks for `get_origin(source) is np.ndarray` then refuses
# each array, on the newer numpy alone. Seen:
#   2.4.6: origin ndarray, arguments 2; the marker's source has the origin ndarray
#   2.5.5: origin NDArray, arguments 1; the marker's source has the origin NDArray
# Fails if that changes.
set -euo pipefail
for python in python3.13 python3.12 python3; do
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2> /dev/null && break
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cat > "$scratch/alias.py" <<'PY'
from typing import Annotated, get_args, get_origin

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from pydantic_core import core_schema


class Marker:
    def __get_pydantic_core_schema__(self, source, handler):
        Marker.origin = get_origin(source)
        return core_schema.any_schema()


class Doc(BaseModel):
    place: Annotated[NDArray[np.float32], Marker()]


kind = NDArray[np.float32]
name = get_origin(kind).__name__
print(f"origin {name}, arguments {len(get_args(kind))}; the marker's source has the origin {Marker.origin.__name__}")
PY
for version in 2.4.6 2.5.5; do
  "$python" -m venv "$scratch/$version"
  "$scratch/$version/bin/pip" install -q "numpy==$version" "pydantic==2.14.4"
  found=$("$scratch/$version/bin/python" "$scratch/alias.py")
  echo "$version: $found"
  case $version in
    2.4.6) wanted="origin ndarray, arguments 2; the marker's source has the origin ndarray" ;;
    *) wanted="origin NDArray, arguments 1; the marker's source has the origin NDArray" ;;
  esac
  [ "$found" = "$wanted" ] || { echo "this has changed: $wanted"; exit 1; }
done
