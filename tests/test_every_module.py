"""Each module of the package is named by a test: one imports it or is called after it, or it stands in `TESTED_BY`."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "parcode_orm"

# What is reached through the public names alone, and the tests whose subject it is.
TESTED_BY = {
    "cli.values": "cli/test_asking.py",
    "codec.aliases": "codec/test_vectors.py",
    "codec.apart": "native/test_compiled.py",
    "codec.asis": "session/test_mending.py",
    "codec.attributes": "session/test_undeclared.py",
    "codec.classes.contents": "codec/test_packed.py",
    "codec.classes.factories": "codec/test_everything_held.py",
    "codec.classes.immutable": "session/test_custom_objects.py",
    "codec.classes.named": "codec/test_subclasses_of_types.py",
    "codec.classes.urls": "codec/test_readable.py",
    "codec.columns.fallback": "model/test_any_type.py",
    "codec.columns.lenient": "session/test_misfits.py",
    "codec.columns.mixed_rows": "codec/test_mixed.py",
    "codec.columns.picked": "query/test_column_updates.py",
    "codec.columns.physical": "codec/test_columns.py",
    "codec.columns.row_values": "codec/test_rows.py",
    "codec.columns.subclasses": "codec/test_subclasses_of_types.py",
    "codec.evolution.coded": "evolution/test_upgrade.py",
    "codec.evolution.defaults": "evolution/test_opening.py",
    "codec.evolution.enums": "evolution/test_changes.py",
    "codec.evolution.given": "evolution/test_upgrade.py",
    "codec.evolution.leaves": "evolution/test_matrix.py",
    "codec.evolution.neutral": "evolution/test_matrix.py",
    "codec.evolution.readers": "evolution/test_opening.py",
    "codec.evolution.refusals": "evolution/test_opening.py",
    "codec.evolution.resolve": "evolution/test_matrix.py",
    "codec.evolution.structs": "evolution/test_changes.py",
    "codec.evolution.values": "evolution/test_matrix.py",
    "codec.evolution.views": "evolution/test_matrix.py",
    "codec.keys.numbers": "codec/test_keys.py",
    "codec.packed.custom": "codec/test_register_type.py",
    "codec.packed.dumped": "model/test_any_type.py",
    "codec.packed.instances": "codec/test_packed.py",
    "codec.renames": "evolution/test_changes.py",
    "codec.ref_schema": "model/test_refs.py",
    "codec.types.arm_order": "codec/test_resolver.py",
    "codec.types.containers": "codec/test_compile.py",
    "codec.types.core_schemas": "lazy/test_validated.py",
    "codec.types.field_ways": "lazy/test_validated.py",
    "codec.types.key_types": "conformance/test_keys.py",
    "codec.types.packed_models": "codec/test_packed.py",
    "codec.types.plans": "codec/test_compile.py",
    "codec.types.simple": "codec/test_compile.py",
    "codec.types.typeddicts": "model/test_any_type.py",
    "codec.types.typeforms": "model/test_spellings.py",
    "codec.types.unions": "codec/test_compile.py",
    "codec.views.tuples": "codec/test_columns.py",
    "format.chunk_copy": "storage/test_compaction.py",
    "inspector.commits": "inspector/test_verify.py",
    "inspector.guide": "inspector/test_inspect.py",
    "inspector.lost_fields": "inspector/test_recover.py",
    "inspector.mended": "inspector/test_recover.py",
    "inspector.salvage": "inspector/test_recover.py",
    "inspector.nodes": "inspector/test_verify.py",
    "inspector.opened": "inspector/test_inspect.py",
    "inspector.parts": "inspector/test_inspect.py",
    "inspector.report": "inspector/test_verify.py",
    "inspector.schemas": "inspector/test_inspect.py",
    "inspector.walk": "inspector/test_inspect.py",
    "inspector.page.nodes": "page/test_answers.py",
    "inspector.page.opened": "page/test_answers.py",
    "inspector.page.past": "page/test_answers.py",
    "inspector.page.places": "page/test_answers.py",
    "interop.arrow.incoming": "interop/test_arrow.py",
    "interop.arrow.outgoing": "interop/test_arrow.py",
    "interop.parquet": "interop/test_transfer.py",
    "lazy.assign": "conformance/test_changing.py",
    "lazy.base": "conformance/test_reading.py",
    "lazy.handles": "lazy/test_blobs.py",
    "lazy.protocols": "lazy/test_iterating.py",
    "lazy.serialize": "lazy/test_dumps.py",
    "migrations.applied": "migrations/test_bad_input.py",
    "migrations.executor": "migrations/test_migrate.py",
    "migrations.fields": "migrations/test_files.py",
    "migrations.operation": "migrations/test_migrate.py",
    "migrations.project": "migrations/test_files.py",
    "migrations.rewrite": "migrations/test_migrate.py",
    "migrations.row": "migrations/test_migrate.py",
    "migrations.verdicts": "migrations/test_diff_schema.py",
    "model.kinds": "query/test_classes.py",
    "model.annotations": "query/test_classes.py",
    "query.rows.aggregates": "query/test_random.py",
    "query.statements.reference_joins": "query/test_reference_paths.py",
    "query.expressions.aliases": "query/test_joins.py",
    "query.running.assignments": "query/test_column_updates.py",
    "query.columns.bounds": "query/test_random.py",
    "query.expressions.building": "query/test_bad_input.py",
    "query.expressions.expressions": "query/test_random.py",
    "query.expressions.functions": "query/test_random.py",
    "query.expressions.selectables": "query/test_bad_input.py",
    "query.rows.grouping": "query/test_random.py",
    "query.joins.join_planning": "query/test_joins.py",
    "query.columns.kernels": "query/test_random.py",
    "query.statements.lookups": "query/test_entity_queries.py",
    "query.expressions.occurrences": "query/test_joins.py",
    "query.columns.packed_nodes": "query/test_blocks.py",
    "query.columns.places": "query/test_blocks.py",
    "query.running.plan": "query/test_entity_queries.py",
    "query.rows.pruning": "query/test_random.py",
    "query.running.result": "query/test_results.py",
    "query.expressions.scope": "query/test_bad_input.py",
    "query.statements.statement": "query/test_results.py",
    "query.statements.syntax": "query/test_parsing.py",
    "session.by_key": "session/test_entities.py",
    "session.connection": "session/test_lifecycle.py",
    "session.content_hash": "session/test_unit_of_work.py",
    "session.copies": "session/test_compacting.py",
    "session.entity.met": "session/test_integrity.py",
    "session.entity.planning": "query/test_entity_queries.py",
    "session.entity.text_corpus": "session/test_text_index.py",
    "session.entity.text_rows": "session/test_text_index.py",
    "session.entity.undoing": "session/test_entities.py",
    "session.entity.unknown": "session/test_integrity.py",
    "session.evict": "session/test_attached.py",
    "session.expire": "session/test_rollback.py",
    "session.flush": "session/test_stream_code.py",
    "session.history.commits": "session/test_history.py",
    "session.history.compare": "session/test_diff.py",
    "session.history.row_changes": "session/test_changes.py",
    "session.history.stretches": "session/test_diff_columns.py",
    "session.loading": "session/test_files.py",
    "session.memento": "session/test_nested.py",
    "session.adding": "session/test_unit_of_work.py",
    "session.merge": "session/test_unit_of_work.py",
    "session.owner": "session/test_lifecycle.py",
    "session.pending": "session/test_unit_of_work.py",
    "session.queries": "query/test_results.py",
    "session.rebind": "session/test_attached.py",
    "session.references": "session/test_attached.py",
    "session.refresh": "session/test_rollback.py",
    "session.reuse": "session/test_nothing_lost.py",
    "session.schemas": "evolution/test_opening.py",
    "session.savepoint": "session/test_nested.py",
    "session.storing": "session/test_unit_of_work.py",
    "session.versions": "session/test_history.py",
    "storage.progress": "inspector/test_recover.py",
    "storage.backend": "session/test_lifecycle.py",
    "storage.check": "storage/test_damage.py",
    "storage.copier": "storage/test_compaction.py",
    "storage.spill": "session/test_streams_in.py",
    "storage.usage": "storage/test_compaction.py",
    "table.copying": "session/test_compacting.py",
    "table.merging": "session/test_growth.py",
    "table.mixed_groups": "session/test_nested_edits.py",
}


def modules() -> set[str]:
    paths = [path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"]
    return {".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in paths}


@cache
def named() -> set[str]:
    """The modules that tests import or are called after."""
    found: set[str] = set()
    for path in TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                found |= {node.module or "", *(f"{node.module}.{each.name}" for each in node.names)}
            elif isinstance(node, ast.Import):
                found |= {each.name for each in node.names}
    known = {name.removeprefix("parcode_orm.") for name in found}
    called = {path.stem.removeprefix("test_") for path in TESTS.rglob("test_*.py")}
    return {each for each in modules() if each in known or each.rpartition(".")[2] in called}


def test_each_module_is_named_by_a_test() -> None:
    assert modules() - named() - TESTED_BY.keys() == set()


def test_the_table_names_modules_that_no_test_names_and_tests_that_there_are() -> None:
    assert TESTED_BY.keys() - modules() == set(), "no such modules"
    assert TESTED_BY.keys() & named() == set(), "tests name them by themselves"
    assert [each for each in TESTED_BY.values() if not (TESTS / each).is_file()] == []
