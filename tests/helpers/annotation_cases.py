"""Cases of annotation files: folders with a case.json that says what is in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Case:
    """A folder with a case.json."""

    folder: Path

    @property
    def about(self) -> Mapping[str, Any]:
        return json.loads((self.folder / "case.json").read_text("utf-8"))

    @property
    def files(self) -> Mapping[str, Path]:
        """The files by their part in the case; those of a part that has several bear its name and their number."""
        return {
            role if name is names else f"{role} {number}": self.folder / name
            for role, names in self.about["files"].items()
            for number, name in enumerate([names] if isinstance(names, str) else names)
        }

    def many(self, role: str) -> list[Path]:
        return [file for name, file in self.files.items() if name.startswith(f"{role} ")]

    def expected(self, name: str = "expected.json") -> Any:
        return json.loads((self.folder / name).read_text("utf-8"))


def cases(root: Path, expect: str) -> list[Case]:
    """The cases at any depth of folders that are called annotations: those to read ("ok") or those to refuse ("reject")."""
    tops = [path for path in (root.resolve(), *root.resolve().rglob("annotations")) if path.name == "annotations"]
    found = sorted({file.parent for top in tops for file in top.rglob("case.json")})
    assert found, f"{root} holds no cases of annotations: name the folder of the fixtures with --fixtures"
    return [case for case in map(Case, found) if case.about["expect"] == expect]
