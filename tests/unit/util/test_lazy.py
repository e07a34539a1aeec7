"""Modules that are imported on first use."""

import subprocess
import sys

import pytest

from redmine_mailbridge.util.lazy import lazy_import

PROGRAM = """
import sys
from redmine_mailbridge.util.lazy import lazy_import
colors = lazy_import("colorsys")
before = "colorsys" in sys.modules
colors.rgb_to_hsv(0, 0, 0)
print(before, "colorsys" in sys.modules, colors.rgb_to_hsv is sys.modules["colorsys"].rgb_to_hsv)
"""


def test_a_module_is_imported_on_first_use() -> None:
    """Naming it imports nothing; its first attribute does, and each is the module's own."""
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert "False True True\n" == ended.stdout


def test_a_missing_module_is_named() -> None:
    """What is not installed raises ModuleNotFoundError with its name, each time that it is used."""
    missing = lazy_import("no_such_module_of_anyone")
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="no_such_module_of_anyone"):
            _ = missing.anything
