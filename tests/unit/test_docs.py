"""The pages link to what is there."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADMIN = ROOT / "docs" / "admin"
PAGES = [
    ROOT / "README.md",
    ROOT / "SECURITY.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links(page: Path) -> None:
    """Each link of a page to a file of the repository, and to a heading in one, leads somewhere."""
    links = re.findall(r"\]\(([^)#:\s]*)(?:#([^)\s]*))?\)", page.read_text("utf-8"))
    assert [] == [file for file, _ in links if not (page.parent / file).exists()]
    headings = [(page.parent / file if file else page, anchor) for file, anchor in links if anchor]
    assert [] == [(target.name, anchor) for target, anchor in headings if anchor not in anchors(target)]


def test_pictures() -> None:
    """Each picture is there, has a description for those who do not see it, and is small; each is shown by a page."""
    shown = [
        (words, page.parent / file)
        for page in PAGES
        for words, file in re.findall(r"!\[([^\]]*)\]\(([^):\s]+)\)", page.read_text("utf-8"))
    ]
    assert [] == [file.name for words, file in shown if len(words.split()) < 3 or not file.is_file()]
    there = set((ROOT / "docs" / "pictures").iterdir())
    assert {file.resolve() for _, file in shown} == there
    assert [] == [file.name for file in there if file.stat().st_size > 200_000]


def test_each_page_is_linked_from_the_readme() -> None:
    """Whoever starts at the README finds every page."""
    readme = (ROOT / "README.md").read_text("utf-8")
    pages = [str(page.relative_to(ROOT)) for page in PAGES if page.is_relative_to(ROOT / "docs")]
    assert [] == [page for page in pages if f"]({page})" not in readme]


def test_the_readme_has_no_long_line() -> None:
    """It is read in a terminal, too: at most 120 characters."""
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert [] == [line for line in lines if len(line) > 120]


def test_architecture_names_what_is_there() -> None:
    """Each file or folder of the package that the architecture page names exists."""
    text = (ROOT / "docs" / "dev" / "architecture.md").read_text("utf-8")
    named = set(re.findall(r"`((?:[a-z_]+/)+(?:[a-z_0-9]+\.py)?|[a-z_]+\.py)`", text))
    places = [ROOT / "redmine_mailbridge", ROOT, ROOT / "tests", ROOT / "redmine_mailbridge" / "outgoing"]
    places += (ROOT / "redmine_mailbridge" / "tasks").iterdir()
    assert len(named) > 20
    assert [] == sorted(name for name in named if not any((place / name).exists() for place in places))


@pytest.mark.fault("V19")
def test_users_install_what_was_tested() -> None:
    """The file of constraints has the versions of the lock that the product needs, and those of development alone not;
    whoever installs as the pages say uses it.
    """
    lock = (ROOT / "requirements-dev.txt").read_text("utf-8")
    pins = {line.rstrip(" \\") for line in lock.splitlines() if "==" in line}
    constraints = {
        line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if not line.startswith("#")
    }
    assert constraints < pins
    named = {re.split(r"[\[=]", line)[0] for line in constraints}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    tables = (project["project"]["dependencies"], *project["project"]["optional-dependencies"].values())
    wanted = [one for table in tables for one in table]
    assert set() == {re.split(r"[\[<>=~ ;]", one)[0].lower() for one in wanted} - named
    assert set() == {"pytest", "ruff", "mypy", "playwright"} & named
    assert not (ROOT / "requirements.txt").exists()
    for page in (ROOT / "README.md", ROOT / "docs" / "admin" / "install.md"):
        lines = [line for line in page.read_text("utf-8").splitlines() if "bin/pip install" in line]
        assert lines
        assert all("--constraint constraints.txt" in line for line in lines)


def table(page: Path, header: str) -> list[list[str]]:
    """The rows of a page's table, by the line of its header."""
    lines = page.read_text("utf-8").partition(f"\n{header}\n")[2].partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]


def test_each_defence_has_its_test_and_its_settings() -> None:
    """Each row about security has a test in the requirements that exists, and names no setting that does not."""
    rows = table(ADMIN / "security.md", "| attack | protection | setting |")
    reference = (ADMIN / "settings.md").read_text("utf-8")
    tests = table(ROOT / "docs" / "dev" / "requirements.md", "| attack | test |")
    assert len(rows) > 25
    assert [row[0] for row in rows] == [row[0] for row in tests]
    for attack, _protection, settings in rows:
        for key in re.findall(r"`([a-z_]+)\.([a-z_]+)`", settings):
            section = reference.partition(f"{key[0]}]`\n")[2].partition("\n## ")[0]
            assert f"| `{key[1]}` |" in section, (attack, key)
    for attack, shown in tests:
        (named,) = re.findall("`(tests/[^`]+)`", shown)
        file, _, function = named.partition("::")
        assert f"def {function}(" in (ROOT / file).read_text("utf-8"), attack


def test_tables_of_tests_stand_in_the_requirements_alone() -> None:
    """No page of docs/admin names tests in a table, and each test that the requirements name exists."""
    for page in ADMIN.glob("*.md"):
        assert [] == [line for line in page.read_text("utf-8").splitlines() if re.match(r"\|.*`tests/.*\|$", line)]
    for named in re.findall(
        r"`((?:tests|scripts)/[^`]+)`", (ROOT / "docs" / "dev" / "requirements.md").read_text("utf-8")
    ):
        file, _, function = named.partition("::")
        assert (ROOT / file).is_file(), named
        assert not function or f"def {function}(" in (ROOT / file).read_text("utf-8"), named


@pytest.mark.fault("A36-5")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_page_begins_with_its_title(page: Path) -> None:
    """A page of the documentation begins with its title: no row of a table has got above it."""
    assert page.read_text("utf-8").startswith("# ")
