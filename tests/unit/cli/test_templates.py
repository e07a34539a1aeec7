"""`templates`: list, copy, preview."""

from pathlib import Path

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
    assert "is there already" in run("copy", str(tmp_path))[1]
    assert "Mine: 4711" in run("preview", "received", "--folder", str(tmp_path))[1]


def test_a_wrong_kind_is_named() -> None:
    """A slip gets a hint."""
    code, output = run("preview", "recieved")
    assert 2 == code
    assert 'did you mean "received"' in output
