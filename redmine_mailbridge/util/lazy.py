"""Modules that are imported when they are first used: for libraries that are slow to load, or extras."""

import importlib
from typing import Any


class _LazyModule:
    """A module that is not imported yet. The import system's own lock makes its use from several threads safe."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


def lazy_import(name: str) -> Any:
    """Given a module's dotted name, return what stands for it: each use of an attribute imports the module first, and
    raises ModuleNotFoundError where it is not installed.

    Written beside an import under TYPE_CHECKING, so that types are checked as usual. (`importlib.util.LazyLoader` would
    do the same, but is not safe for threads before Python 3.12.3.)
    """
    return _LazyModule(name)
