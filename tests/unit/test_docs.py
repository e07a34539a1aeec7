"""The pages link to what is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links(page: Path) -> None:
    """Each link of a page to a file of the repository leads somewhere."""
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [] == [target for target in targets if not (page.parent / target).exists()]


def test_architecture_names_what_is_there() -> None:
    """Each file or folder of the package that the architecture page names exists."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = set(re.findall(r"`((?:[a-z_]+/)+(?:[a-z_0-9]+\.py)?|[a-z_]+\.py)`", text))
    places = [ROOT / "redmine_mailbridge", ROOT, ROOT / "tests", ROOT / "redmine_mailbridge" / "outgoing"]
    places += (ROOT / "redmine_mailbridge" / "tasks").iterdir()
    assert len(named) > 20
    assert [] == sorted(name for name in named if not any((place / name).exists() for place in places))


@pytest.mark.fault("V19")
def test_users_install_what_was_tested() -> None:
    """The file of constraints has every version of the lock, and whoever installs as the pages say uses it."""
    pins = {line.rstrip(" \\") for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines() if "==" in line}
    constraints = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    assert pins == {line for line in constraints if not line.startswith("#")}
    for page in (ROOT / "README.md", ROOT / "docs" / "operations.md"):
        lines = [line for line in page.read_text("utf-8").splitlines() if "bin/pip install" in line]
        assert lines
        assert all("--constraint constraints.txt" in line for line in lines)


def test_each_defence_has_its_test_and_its_settings() -> None:
    """Each row of the page on security names a test that is there, and no setting that is not."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / "docs" / "security.md").read_text("utf-8").splitlines()
        if line.startswith("|") and not line.startswith(("| attack", "|---"))
    ]
    reference = (ROOT / "docs" / "settings.md").read_text("utf-8")
    assert len(rows) > 25
    for attack, _holds, settings, shown in rows:
        (named,) = re.findall("`(tests/[^`]+)`", shown)
        file, _, function = named.partition("::")
        assert f"def {function}(" in (ROOT / file).read_text("utf-8"), attack
        for key in re.findall(r"`([a-z_]+\.[a-z_.]+)`", settings):
            assert f"| `{key.rpartition('.')[2]}` |" in reference, (attack, key)
