"""The settings file as TOML: its values with their lines, and what is wrong with a file that is not TOML."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings import schema
from redmine_mailbridge.settings.loading.origins import Layer, ValueOrigin, leaves
from redmine_mailbridge.settings.loading.toml_lines import line_numbers, toml_lines
from redmine_mailbridge.settings.models import Settings

NUL, ESCAPED_NUL = "\0", "\\u0000"
"""A character that no file name, no header field and no database takes, and how TOML writes it."""
MOST_BITS = 14_000
"""Of a number, which Python reads in any length if it is hexadecimal, and writes in a message up to 4300 digits."""
_BEGINNING = re.compile(r"\s*(?:\[{1,2}[A-Za-z0-9_. -]{1,200}\]{0,2}|[A-Za-z0-9_.-]{1,100})")
_BARE_VALUE = ("Invalid value", "Expected newline or end of document after a statement")
"""What tomllib says of a text without quotes: `host = mail.example.com`, and `host = 192.0.2.1`, which begins as a
number does.
"""


def file_layer(file: Path) -> Layer:
    """Given a file, return its values with line numbers. Raise SettingsError if it is not readable TOML."""
    try:
        text = file.read_text("utf-8-sig")  # Windows editors start a file with a byte order mark
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(_syntax_problem(file, str(error))) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{file}: is not UTF-8 text") from None
    except OSError as error:
        raise SettingsError(f"{file}: {error.strerror or type(error).__name__}") from None
    except RecursionError:
        raise SettingsError(f"{file}:{_line_with_most(text, '[{')}: brackets are nested too deeply") from None
    except ValueError:  # valid TOML, and more digits than Python converts
        raise SettingsError(f"{file}:{_line_with_most(text, '0123456789')}: the number has too many digits") from None
    layer = Layer(data=dict(data))
    for path, line in line_numbers(text).items():
        layer.origins[path] = ValueOrigin("file", str(file), line)
    if unusable := [
        f"{file}:{layer.origins[path].line}: {'.'.join(path).replace(NUL, ESCAPED_NUL)}: {problem}"
        for path, value in leaves(data)
        if (problem := _problem([*path, *_scalars(value)]))
    ]:
        raise SettingsError(*unusable)
    return layer


def _problem(scalars: Sequence[Any]) -> str:
    """Given the keys and values of a setting, return why they cannot be used; "" if they can."""
    if any(isinstance(scalar, str) and NUL in scalar for scalar in scalars):
        return f"remove {ESCAPED_NUL}"
    if any(isinstance(scalar, int) and scalar.bit_length() > MOST_BITS for scalar in scalars):
        return "the number has too many digits"
    return ""


def _scalars(value: Any) -> Iterator[Any]:
    """Given a value of TOML, yield what is in it and is neither a list nor a table, keys included."""
    if isinstance(value, Mapping | list):
        for item in value:
            yield from _scalars(item)
        for below in value.values() if isinstance(value, Mapping) else ():
            yield from _scalars(below)
    else:
        yield value


def _line_with_most(text: str, characters: str) -> int:
    """Given TOML, return the number, from 1, of the line that has the most of these characters."""
    lines = toml_lines(text)
    return 1 + max(range(len(lines)), key=lambda index: sum(lines[index].count(character) for character in characters))


def _syntax_problem(file: Path, message: str) -> str:
    """Given tomllib's message, return it with file and line, and the key or table at the start of that line.

    Never with the rest of the line: in invalid TOML any part of it may be a secret.
    """
    lines = toml_lines(file.read_text("utf-8-sig"))
    at = re.search(r"\(at line (\d+), column (\d+)\)", message)
    number = min(int(at[1]), len(lines)) if at else len(lines)
    beginning = _BEGINNING.match(lines[number - 1]) if lines else None
    begins = f": {beginning[0].strip()} …" if beginning and _is_known(beginning[0].strip()) else ""
    what = re.sub(r"\s*\(at .*\)$", "", message)
    what = re.sub(r" \('.*\) twice$", " this table twice", what)  # tomllib shows its name as a tuple
    advice = _value_advice(begins, whole=what == "Invalid value") if what in _BARE_VALUE else ""
    return f"{file}:{number}: {what[:1].lower()}{what[1:]}{begins}{advice}"


def _value_advice(begins: str, *, whole: bool) -> str:
    """Given the start of a line whose value is not TOML, return what such a key takes; "" when it has no known key.

    TOML knows no bare words: text is quoted, and the truth values are true and false. `whole`: the value does not even
    begin as one.
    """
    name = re.findall(r"[A-Za-z0-9_-]+", begins)[-1:]
    fields = [key.field for key in schema.keys(Settings) if [key.name] == name]
    kinds = {kind for field in fields for kind in schema.kinds(field)}
    if not whole and not kinds <= {"text", "a file", "a secret", "a time span", "a size"}:
        return ""
    if not kinds:
        return ": text must be in double quotes" if begins else ""
    if kinds <= {"true or false"}:
        return ": must be true or false"
    return f': text must be in double quotes, such as {name[0]} = "…"'


def _is_known(beginning: str) -> bool:
    """Given the start of a line, is it a table header, or only known keys?"""
    known = (
        {key.name for key in schema.keys(Settings)}
        | {*Settings.model_fields}
        | {step for path, _ in schema.tables(Settings) for step in path}
    )
    words = re.findall(r"[A-Za-z0-9_-]+", beginning)
    return bool(words) and (known >= set(words[:1]) if beginning.startswith("[") else known >= set(words))
