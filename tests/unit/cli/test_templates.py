"""`templates`: list, copy, preview."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from redmine_mailbridge.cli.main import cli


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["templates", *words])
    return result.exit_code, result.output


def test_kinds_and_languages_are_listed() -> None:
    """An admin sees what there is."""
    code, output = run("list")
    assert 0 == code
    assert "received         de, en" in output


def test_a_copy_is_edited_and_previewed(tmp_path: Path) -> None:
    """What is copied can be edited, is not overwritten, and is what the preview shows."""
    assert 0 == run("copy", str(tmp_path), "--kind", "received")[0]
    (tmp_path / "received" / "en" / "body.txt").write_text("Mine: {{ issue.id }}")
    assert "already exists" in run("copy", str(tmp_path))[1]
    assert "Mine: 4711" in run("preview", "received", "--folder", str(tmp_path))[1]


def test_a_wrong_kind_is_named() -> None:
    """A slip gets a hint."""
    code, output = run("preview", "recieved")
    assert 2 == code
    assert 'did you mean "received"' in output


@pytest.mark.fault("N13")
def test_a_language_that_is_not_there_is_named(tmp_path: Path) -> None:
    """`preview` in a language without templates is an error with the languages that there are, and a hint; a region
    counts as its language, and a language of one's own templates is there.
    """
    code, output = run("preview", "received", "--language", "fr")
    assert (2, True) == (code, 'no templates exist in the language "fr" (de, en)' in output)
    assert 'did you mean "de"' in run("preview", "received", "--language", "deu")[1]
    assert (0, True) == ((done := run("preview", "received", "--language", "de-AT"))[0], "Guten Tag" in done[1])
    (tmp_path / "received" / "fr").mkdir(parents=True)
    for name in ("subject.txt", "body.txt"):
        (tmp_path / "received" / "fr" / name).write_text("Bonjour")
    assert "Bonjour" in run("preview", "received", "--language", "fr", "--folder", str(tmp_path))[1]
