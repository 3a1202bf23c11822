"""Plants a bug into this process and its children: Python imports this at its start where PYTHONPATH has the folder.

PLANTED_BUG is a JSON list of patches; each module's source is changed on its way into the interpreter, never on disk.
"""

import json
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

PATCHES: dict[str, list[tuple[str, str]]] = {}
for module, old, new in json.loads(os.environ.get("PLANTED_BUG", "[]")):
    PATCHES.setdefault(module, []).append((old, new))


class Planter(SourceFileLoader):
    """Compiles the patched text; cached bytecode is neither read nor written."""

    def get_code(self, fullname: str) -> CodeType:
        text = self.get_data(self.path).decode()
        for old, new in PATCHES[fullname]:
            assert text.count(old) == 1, f"the planted bug does not fit {fullname} any longer: {old!r}"
            text = text.replace(old, new)
        return compile(text, self.path, "exec")


class Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in PATCHES:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec, f"no module {fullname}"
        assert spec.origin, f"no file of {fullname}"
        spec.loader = Planter(fullname, spec.origin)
        return spec


if PATCHES:
    sys.meta_path.insert(0, Finder())
