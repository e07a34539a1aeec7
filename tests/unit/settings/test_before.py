"""A settings file from before the first release: each key is known, or refused in a line of its own."""

import re
from pathlib import Path

import pytest

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.load import load

BEFORE = Path(__file__).resolve().parents[2] / "fixtures" / "settings_before.toml"
KEY = re.compile(r"([a-z_]+)( = .*)")


def problems(file: Path) -> list[str]:
    """What is wrong with a settings file, as it is told."""
    try:
        load(file, {})
    except SettingsError as error:
        return list(error.problems)
    return []


def test_every_key_of_before() -> None:
    """What the first version took is taken, or named with its line and what to write: no traceback, no riddle."""
    told = problems(BEFORE)
    assert [] == [line for line in told if not re.fullmatch(rf"{BEFORE}:\d+: \[[^\n]+\] [a-z_]+[^\n]*: [^\n]+", line)]
    assert [] == [line for line in told if "unknown key" in line and "did you mean" not in line]


def test_every_key_is_another_one(tmp_path: Path) -> None:
    """Where every key has another name by now, each is refused in one line, which says where it stands; the first
    of them with the name that it has.
    """
    lines = BEFORE.read_text("utf-8").splitlines()
    file = tmp_path / "settings.toml"
    renamed = [f"{found[1]}x{found[2]}" if (found := KEY.fullmatch(line)) else line for line in lines]
    file.write_text("\n".join(renamed), "utf-8")
    told = problems(file)
    assert [] == [line for line in told if "\n" in line]
    assert f'{file}:3: [redmine] urlx = "https://redmine.example.com": unknown key, did you mean "url"?' in told
    for number in (number for number, line in enumerate(lines, 1) if KEY.fullmatch(line)):
        assert 1 == sum(line.startswith(f"{file}:{number}: ") and ": unknown " in line for line in told), number


@pytest.mark.parametrize("name", ["text_formating", "settel", "settel_"])
def test_a_key_that_was_called_otherwise(tmp_path: Path, name: str) -> None:
    """It is refused with the name that it has now."""
    file = tmp_path / "settings.toml"
    file.write_text(f'[redmine]\n{name} = "x"\n')
    (line,) = [line for line in problems(file) if line.startswith(f"{file}:2:")]
    assert "unknown key, did you mean" in line
