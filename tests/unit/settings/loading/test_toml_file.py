"""A settings file that is TOML, or nearly, and that no value can be read from: one line says where and why."""

import re
from pathlib import Path

import pytest

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.loading.toml_file import file_layer

HOSTILE = {
    "digits": (f"port = {'9' * 5000}", "the number has too many digits"),
    "hexadecimal digits": (f"port = 0x1{'0' * 200}", None),
    "open brackets": (f"port = {'[' * 600}", "brackets are nested too deeply"),
    "lists in lists": (f"port = {'[' * 600}{']' * 600}", "brackets are nested too deeply"),
    "tables in tables": (f"port = {'{a=' * 600}1{'}' * 600}", "brackets are nested too deeply"),
    "NUL in a text": (r'password_file = "a\u0000b"', r"mailboxes.x.password_file: remove \u0000"),
    "NUL in a list": (r'allow = ["a", "b\u0000"]', r"mailboxes.x.allow: remove \u0000"),
    "NUL in a table of a list": (r'allow = [{b = "\u0000"}]', r"mailboxes.x.allow: remove \u0000"),
    "NUL in a key": (r'"a\u0000" = 1', r"mailboxes.x.a\u0000: remove \u0000"),
    "NUL spelled out": (r"allow = ['\u0000']", None),
}


@pytest.mark.fault("S29-1")
@pytest.mark.parametrize("name", HOSTILE)
def test_one_line_says_where_and_why(tmp_path: Path, name: str) -> None:
    """What Python cannot convert, and what no file name can hold, ends in one line; its value is not shown."""
    line, problem = HOSTILE[name]
    file = tmp_path / "settings.toml"
    file.write_text(f"[redmine]\n\n[mailboxes.x]\n{line}\n# the end\n")
    if problem is None:
        assert ["redmine", "mailboxes"] == [*file_layer(file).data]
        return
    with pytest.raises(SettingsError) as caught:
        file_layer(file)
    assert f"{file}:4: {problem}" == str(caught.value)


@pytest.mark.fault("A31-3")
@pytest.mark.parametrize("value", ["{0}", "[1, {0}]", "{{a = {0}}}"])
@pytest.mark.parametrize("digits", ["0x" + "f" * 6000, "0b" + "1" * 20000], ids=["hexadecimal", "binary"])
def test_a_number_that_no_message_can_show(tmp_path: Path, value: str, digits: str) -> None:
    """A number of base 16 or 2 is read in any length, and cannot be written in a message: a line says where it is."""
    file = tmp_path / "settings.toml"
    file.write_text(f"[redmine]\n\n[mailboxes.x]\nport = {value.format(digits)}\n")
    with pytest.raises(SettingsError) as caught:
        file_layer(file)
    assert re.fullmatch(
        f"{re.escape(str(file))}:4: mailboxes.x.port(.a)?: the number has too many digits", str(caught.value)
    )
