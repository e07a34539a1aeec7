"""Modules that are imported on first use: for slow libraries, or extras."""

import importlib
from types import ModuleType
from typing import Any


class _LazyModule:
    """A module that is not imported yet. The import system's own lock makes its use thread-safe."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._module: ModuleType | None = None

    def __getattr__(self, attribute: str) -> Any:
        if self._module is None:
            self._module = importlib.import_module(self._name)
        return getattr(self._module, attribute)


def lazy_import(name: str) -> Any:
    """Given a module's dotted name, return a proxy: the first access to an attribute imports the module, and
    raises ModuleNotFoundError if it is not installed.

    Written beside an import under TYPE_CHECKING, so that types are checked as usual. (`importlib.util.LazyLoader` would
    do the same, but is not safe for threads before Python 3.12.3.)
    """
    return _LazyModule(name)
