"""What became of mails in customised projects: noted by the tests, kept in outcomes.json, shown in tables of the docs.

`scripts/customised` runs the tests, writes the file and fills the tables; in any other run what the tests see is
compared with the file.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILE = Path(__file__).with_name("outcomes.json")
BEGIN, END = "<!-- scripts/customised: begin -->", "<!-- scripts/customised: end -->"
FOLDER = "MAILBRIDGE_TEST_OUTCOMES"
"""The variable that names the folder in which the tests note what they see, for `scripts/customised`."""
WHOLE, NOTED, LEFT = "whole", "with further notes", "left to a person"
Seen = dict[str, dict[str, dict[str, str]]]
"""Outcomes by place ("6.1 on sqlite"), project and key."""
KEYS = {
    "admin": "administrator's key",
    "key-adds": "may add",
    "key-notes": "may add and note",
    "key-sets": "may set everything",
    "key-own": "sees only its own",
}
WORDS = {
    "plain": "nothing is in the way",
    "forbidden": "no status follows the first",
    "default-status": "issues begin with another status than New",
    "default-closed": "issues begin closed",
    "falls-back": "the first of several trackers has no description",
    "limited": "fields have patterns and lengths",
    "parent": "a parent project",
    "child": "a subproject with inherited members",
    "crowd": "1,000 members",
    "needs-all": "required custom fields that nothing fills",
    "shut": "the project is closed",
    "without-any": "no core field at all",
}
"""What is the matter with a project, where its name does not say it."""
KINDS = {
    "without-": "no field {}",
    "readonly-": "the workflow makes {} read-only",
    "required-": "the workflow requires {}, and the mail says it",
    "needs-": "required custom fields that nothing fills",
    "filled-": "required custom fields that the settings fill",
}


def place(version: str, database: str) -> str:
    """Given a Redmine's version and database, return its name in the tables."""
    return f"{version} on {database}"


def note(where: str, project: str, key: str, outcome: str) -> None:
    """Given a place, a project, a key and what became of a mail: note it where `scripts/customised` asks for it, else
    compare it with what is kept. Raise AssertionError where it is another outcome than the docs say.
    """
    folder = os.environ.get(FOLDER)
    if folder:
        with (Path(folder) / f"{os.getpid()}.jsonl").open("a") as file:
            file.write(json.dumps([where, project, key, outcome]) + "\n")
        return
    kept = load()
    if where in kept:
        said = kept[where].get(project, {}).get(key)
        assert said in {None, outcome}, (
            f"{where}, {project}, {key}: run scripts/customised, which writes the docs' tables"
        )


def load() -> Seen:
    """Return what is kept."""
    kept: Seen = json.loads(FILE.read_text("utf-8"))
    return kept


def gathered(folder: Path) -> Seen:
    """Given the folder in which tests have noted what they saw, return it."""
    seen: Seen = {}
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            where, project, key, outcome = json.loads(line)
            seen.setdefault(where, {}).setdefault(project, {})[key] = outcome
    return seen


def save(seen: Seen) -> None:
    """Keep this, a line for each project."""
    places = []
    for where, projects in seen.items():
        rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(found)}" for name, found in projects.items())
        places.append(f"{json.dumps(where)}: {{\n{rows}\n}}")
    FILE.write_text("{\n" + ",\n".join(places) + "\n}\n", "utf-8")


# ------------------------------------------------------------------ the tables


def table(seen: Seen) -> str:
    """Given what was seen, return the whole table: a row for each project."""
    return _table(seen, "project", ((project, project) for project in _projects(seen)))


def summary(seen: Seen) -> str:
    """Given what was seen, return the short table: a row for all projects in which every key does the same."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for project in _projects(seen):
        alike.setdefault(tuple(_cells(seen, project)), []).append(project)
    rows = (("; ".join(dict.fromkeys(map(_words, projects))), projects[0]) for projects in alike.values())
    return _table(seen, "in a project with", rows)


TABLES = {ROOT / "docs" / "dev" / "redmine-api.md": table, ROOT / "docs" / "admin" / "redmine-user.md": summary}


def filled(page: Path, seen: Seen) -> str:
    """Given a page and what was seen, return the page's text with its table filled."""
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n{TABLES[page](seen)}\n{END}{rest.partition(END)[2]}"


def _table(seen: Seen, first: str, rows: Iterable[tuple[str, str]]) -> str:
    lines = [[first, *(KEYS[key] for key in _keys(seen))], ["---"] * (1 + len(_keys(seen)))]
    lines += [[words, *_cells(seen, project)] for words, project in rows]
    return "\n".join([f"Seen on Redmine {', '.join(seen)}:", "", *(f"| {' | '.join(line)} |" for line in lines)])


def _projects(seen: Seen) -> list[str]:
    return list(dict.fromkeys(project for projects in seen.values() for project in projects))


def _keys(seen: Seen) -> list[str]:
    there = {key for projects in seen.values() for found in projects.values() for key in found}
    return [key for key in KEYS if key in there]


def _cells(seen: Seen, project: str) -> list[str]:
    return [_cell({where: found.get(project, {}).get(key, "") for where, found in seen.items()}) for key in _keys(seen)]


def _cell(outcomes: Mapping[str, str]) -> str:
    """Given the outcome by place, return it, once where all are the same."""
    places: dict[str, list[str]] = {}
    for where, outcome in outcomes.items():
        places.setdefault(outcome, []).append(where)
    if len(places) == 1:
        return next(iter(places)) or "not tried"
    return "; ".join(f"{', '.join(where)}: {outcome or 'not tried'}" for outcome, where in places.items())


def _words(project: str) -> str:
    if project in WORDS:
        return WORDS[project]
    for begin, words in KINDS.items():
        if project.startswith(begin):
            return words.format(project.removeprefix(begin).replace("-", " "))
    return project
