"""The judge: what lies in Redmine and in the folders, beside what was sent."""

import email
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.crash.letters import Letter
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

FOLDER = {"issue": "Processed", "note": "Processed", "ignored": "Processed", "refused": "Failed"}
TOKEN = re.compile("tok[0-9a-f]{12}")


@dataclass
class Verdict:
    """What the judge found, in words; all empty when every mail is there once and in its place."""

    mails: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    misfiled: list[str] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """Everything that is wrong."""
        kinds = ("lost", "doubled", "misfiled", "misplaced", "files")
        return [f"{kind}: {line}" for kind in kinds for line in getattr(self, kind)]


class Found:
    """What lies in one project of Redmine, by the tokens in its texts."""

    def __init__(self, redmine: Redmine, project: str) -> None:
        self._redmine = redmine
        self.issues: dict[str, list[int]] = _Lists()
        self.notes: dict[str, list[int]] = _Lists()
        self.files: dict[str, list[bytes]] = _Lists()
        self.watchers: dict[int, set[int]] = {}
        self.relations: dict[int, list[int]] = {}
        for row in redmine.admin.issues(project):
            self._add(redmine.admin.issue(row["id"]))

    def _add(self, issue: dict[str, Any]) -> None:
        number = issue["id"]
        for token in set(TOKEN.findall(issue.get("description") or "")):
            self.issues[token].append(number)
        for journal in issue["journals"]:
            for token in set(TOKEN.findall(journal.get("notes") or "")):
                self.notes[token].append(number)
        for file in issue["attachments"]:
            self.files[file["filename"]].append(self._redmine.admin.attachment(file))
        ends = [(one["issue_id"], one["issue_to_id"]) for one in issue.get("relations", ())]
        self.relations[number] = [other for pair in ends for other in pair if other != number]
        self.watchers[number] = {watcher["id"] for watcher in issue["watchers"]}

    def of(self, token: str) -> list[int]:
        """Given a token, return the issues that its mail made or is a note on."""
        return self.issues[token] + self.notes[token]

    def user(self, mail: str) -> int:
        """Given a seeded user's address, return its id."""
        people = self._redmine.seed["users"].values()
        return int(next(person["id"] for person in people if person["mail"] == mail))


class _Lists(dict[Any, Any]):
    def __missing__(self, key: object) -> list[Any]:
        self[key] = []
        found: list[Any] = self[key]
        return found


def message_ids(box: Mailbox, folder: str) -> Counter[str]:
    """Given a folder, return how often each Message-ID lies in it."""
    parsed = (email.message_from_bytes(content) for content in box.mails(folder))
    return Counter(str(mail["Message-ID"]).strip("<> ") for mail in parsed)


def judge_box(verdict: Verdict, found: Found, box: Mailbox, letters: Sequence[Letter]) -> None:
    """Given what lies in a project and the mails sent to its mailbox, add to the verdict what is wrong."""
    lies = {folder: message_ids(box, folder) for folder in box.folders()}
    twins = Counter(one.token for one in letters)
    wanted_ids: Counter[str] = Counter()
    for one in letters:
        verdict.mails += one.copies
        wanted_ids[one.message_id] += one.copies
        _judge_text(verdict, one, found)
        for folder, there in lies.items():
            expected = one.copies if folder == FOLDER[one.fate] else 0
            if there[one.message_id] != expected:
                verdict.misfiled.append(f"{one.token}: {there[one.message_id]} in {folder}, not {expected}")
    assert set(twins.values()) <= {1}, "each mail has a token of its own"
    for folder, there in lies.items():
        verdict.misfiled += [f"{strange} in {folder}" for strange in there.keys() - wanted_ids.keys()]


def _judge_text(verdict: Verdict, one: Letter, found: Found) -> None:
    issues, notes = found.issues[one.token], found.notes[one.token]
    wanted = 1 if one.fate in ("issue", "note") else 0
    there = len(issues) + len(notes)
    if there < wanted:
        verdict.lost.append(f"{one.token}: {one.fate}")
    elif there > wanted:
        verdict.doubled.append(f"{one.token}: issues {issues}, notes on {notes}, not one {one.fate}")
    elif len(issues) != (one.fate == "issue"):
        verdict.misplaced.append(f"{one.token}: issues {issues}, notes on {notes}, not one {one.fate}")
    elif one.under is not None and notes != found.of(one.under):
        verdict.misplaced.append(f"{one.token}: a note on {notes}, not on {found.of(one.under)}")
    for name, content in one.files if there else ():
        if found.files[name] != [content]:
            verdict.files.append(f"{name}: {len(found.files[name])} times")
    if one.linked is not None and issues and found.relations[issues[0]] != found.of(one.linked):
        verdict.files.append(f"{one.token}: linked with {found.relations[issues[0]]}, not {found.of(one.linked)}")
    if one.watcher is not None and issues and found.user(one.watcher) not in found.watchers[issues[0]]:
        verdict.files.append(f"{one.token}: {one.watcher} does not watch")
