"""Every block in the README and in docs/admin works: TOML loads, commands exist and run, or the page says why not."""

import json
import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
import tomlkit
from click.testing import CliRunner

from redmine_mailbridge.cli.main import cli
from redmine_mailbridge.settings.load import load

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs" / "admin").glob("*.md"))]
PROGRAM = "redmine-mailbridge"
NEED_SERVERS = {"admin", "aggregate", "check", "deliver", "discover", "explain", "init", "oauth", "receive", "run"}
"""Commands that are only parsed: they speak to servers, ask questions or run until they are stopped."""

BASE: dict[str, Any] = {
    "redmine": {"url": "https://redmine.example.com", "api_key": "k", "text_format": "common_mark"},
    "outgoing": {"host": "smtp.example.com"},
    "mailboxes": {
        "support": {
            "address": "support@example.com",
            "host": "mail.example.com",
            "password": "p",
            "start_from": "now",
            "issue": {"project": "support"},
        }
    },
}
HOLIDAYS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20260101
SUMMARY:New Year
END:VEVENT
END:VCALENDAR
"""
MAIL = (
    "From: a@example.net\r\nTo: support@example.com\r\nSubject: Hello\r\nMessage-ID: <1@example.net>\r\n\r\nHello\r\n"
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    reason: str
    """Why it is not run; "" if it is."""


def blocks() -> Iterator[Block]:
    """All fenced blocks of the pages."""
    pattern = re.compile(
        r"(?:^ *<!-- not run: (?P<reason>[^>]+?) -->\n)?^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$",
        re.MULTILINE | re.DOTALL,
    )
    for page in PAGES:
        text = page.read_text("utf-8")
        for match in pattern.finditer(text):
            body = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
            line = text.count("\n", 0, match.start()) + 1
            yield Block(page, line, match["language"], body, match["reason"] or "")


BLOCKS = list(blocks())


def of(*languages: str) -> Any:
    chosen = [block for block in BLOCKS if block.language in languages]
    return pytest.mark.parametrize("block", chosen, ids=[f"{block.page.name}:{block.line}" for block in chosen])


def write_settings(folder: Path, settings: dict[str, Any]) -> Path:
    """Given settings, write them and each file that they name, and return the settings file."""
    _write_files(folder, settings)
    file = folder / "settings.toml"
    file.touch(mode=0o600)
    file.write_text(tomlkit.dumps(settings), "utf-8")
    return file


def _write_files(folder: Path, table: dict[str, Any]) -> None:
    for name, value in table.items():
        if isinstance(value, dict):
            _write_files(folder, value)
        elif name.endswith("_file") or name == "holidays":
            (folder / value).parent.mkdir(mode=0o700, exist_ok=True)
            (folder / value).touch(mode=0o600)
            (folder / value).write_text(HOLIDAYS if name == "holidays" else "a secret", "utf-8")


def test_each_block_names_its_language() -> None:
    """No block is without a language, so that none escapes these tests; all kinds are covered."""
    assert {"toml", "sh", "json", "nginx", "powershell", "jinja", "ini", "text"} == {block.language for block in BLOCKS}
    fences = sum(len(re.findall(r"^ *```", page.read_text("utf-8"), re.MULTILINE)) for page in PAGES)
    assert fences == 2 * len(BLOCKS)
    assert all(block.reason for block in BLOCKS if block.language in {"nginx", "jinja", "ini", "text"})
    assert len([block for block in BLOCKS if block.language == "toml"]) > 8


@of("toml")
def test_toml_loads(block: Block, tmp_path: Path) -> None:
    """A block of settings loads, with what it leaves out filled in."""
    load(write_settings(tmp_path, BASE | tomllib.loads(block.text)), {})


@of("json")
def test_json_is_valid(block: Block) -> None:
    """An example of output is valid JSON."""
    json.loads(block.text)


@of("sh")
def test_commands_exist_and_run(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command of a block exists with its options; those of ours that need no server are run."""
    settings = write_settings(tmp_path, BASE)
    (tmp_path / "FILE.eml").write_bytes(MAIL.encode())
    monkeypatch.chdir(tmp_path)
    for line in block.text.splitlines():
        words = [_value(word) for word in shlex.split(line, comments=True)]
        if words and Path(words[0]).name == PROGRAM:
            path = parse(words[1:])
            if path and path[0] not in NEED_SERVERS and not block.reason:
                result = CliRunner().invoke(cli, ["--settings", str(settings), *words[1:]])
                assert 0 == result.exit_code, (line, result.output)
        elif words and words[0].startswith(("scripts/", ".ci/")):
            script = ROOT / words[0]
            assert os.access(script, os.X_OK), line
            options = [word for word in words[1:] if word.startswith("--")]
            assert [] == [option for option in options if option not in _sources_of(script)], line
        elif words and not block.reason:
            assert (ROOT / words[0]).exists(), f"{line}: runs nothing of ours; mark the block as not run"


def _value(word: str) -> str:
    """Given a word of a command, return a value for it where it is a placeholder."""
    return {"ID": "1", "N": "1", "NAME": "support", "ADDRESS": "support@example.com"}.get(word.rstrip("…"), word)


def _sources_of(script: Path) -> str:
    """The text of a script, and of the module that it starts."""
    text = script.read_text("utf-8")
    for module in re.findall(r"-m (tests\.[a-z_.]+)", text):
        text += (ROOT / f"{module.replace('.', '/')}.py").read_text("utf-8")
    return text


def parse(arguments: list[str]) -> list[str]:
    """Given the arguments of the program, return the names of the commands they call. Raise UsageError if there is no
    such command or option.
    """
    names: list[str] = []
    command: click.Command = cli
    context: click.Context | None = None
    while True:
        if {"--help", "-h"} & set(arguments[:1]):
            return names
        if isinstance(command, click.Group) and not arguments:
            return names
        context = command.make_context(command.name, list(arguments), parent=context)
        if not isinstance(command, click.Group):
            return names
        rest = [*context._protected_args, *context.args]
        if not rest:
            return names
        name, found, arguments = command.resolve_command(context, rest)
        if found is None:
            raise click.UsageError(f"no command {name}")
        names.append(str(name))
        command = found


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_inline_commands_exist(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command within a sentence or table, with the program's name or a command's before it, exists."""
    (tmp_path / "FILE.eml").write_bytes(MAIL.encode())
    monkeypatch.chdir(tmp_path)
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for span in re.findall(r"`([^`]+)`", text):
        words = [_value(word) for word in shlex.split(span)] if span.count('"') % 2 == 0 and "'" not in span else []
        if words[:1] == [PROGRAM]:
            words = words[1:]
        elif len(words) < 2 or words[0] not in cli.commands or "=" in words:
            continue
        try:
            parse(words)
        except click.MissingParameter:
            continue  # a command is named without what it needs
        except click.UsageError as error:
            pytest.fail(f"{page.name}: `{span}`: {error.message}")
