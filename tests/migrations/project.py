"""A project for tests: a module of models that changes, its migrations, and a file."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from parcode_orm import Session
from parcode_orm.migrations import Answers, Planned, Written, makemigrations, migrate

HEAD = """
from __future__ import annotations
from dataclasses import dataclass
from enum import Enum, Flag
from typing import Annotated, NamedTuple
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr
from parcode_orm import Chunk, Index, Key, Model, ShardedMap, renamed_from
"""


class Project:
    """Writes migrations in `directory/migrations`, and a file `directory/a.par`."""

    def __init__(self, directory: Path, module: str = "shop") -> None:
        self.module = module
        self.migrations = directory / "migrations"
        self.path = directory / "a.par"

    def define(self, text: str) -> Any:
        """The module of the models, as it is from now on."""
        module = ModuleType(self.module)
        sys.modules[self.module] = module
        exec(compile(HEAD + text, self.module, "exec"), module.__dict__)
        return module

    def make(self, *, renames: dict[str, str] | None = None, **options: Any) -> Written | None:
        """Write a migration."""
        answers = Answers(renames or {}, no_renames=True, defaults=options.pop("defaults", {}))
        return makemigrations([self.module], migrations=self.migrations, answers=answers, **options)

    def write(self, name: str, text: str) -> None:
        """Write a migration by hand."""
        self.migrations.mkdir(exist_ok=True)
        (self.migrations / f"{name}.py").write_text("from parcode_orm.migrations import *\n" + text)

    def migrate(self, target: str | None = None, **options: Any) -> list[Planned]:
        """Migrate the file."""
        return migrate(self.path, target, migrations=self.migrations, **options)

    def store(self, *objects: Any) -> None:
        """Commit objects to the file."""
        with Session(self.path) as session:
            session.add_all(objects)
            session.commit()
