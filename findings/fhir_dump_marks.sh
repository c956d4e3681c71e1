#!/usr/bin/env bash
# fhir.resources 8.3.0 (fhir-core 1.1.12, Pydantic 2.14.4): model_dump() changes the object that it dumps.
# Its serializer sets two attributes in the object's dictionary, and in those of the models inside it. They are no fields,
# so the object stays equal to one that was never dumped, but copies and pickles hold them. Fails if that changes.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q "fhir.resources==8.3.0" "fhir-core==1.1.12" "pydantic==2.14.4"
"$scratch/venv/bin/python" - <<'PY'
import copy

from fhir.resources.age import Age

age, other = Age(value=3, unit="a"), Age(value=3, unit="a")
age.model_dump()
found = sorted(vars(age).keys() - vars(other).keys())
print(found)
assert found == ["__fhir_serialization_exclude_comment__", "__fhir_serialization_summary_only__"]
assert age == other and sorted(vars(copy.deepcopy(age)).keys() - vars(other).keys()) == found
PY
