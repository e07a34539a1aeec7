"""Over any history of an issue made in Redmine: no mail goes to whom the issue does not name, none holds what is
private or older than the conversation, and no note is mailed twice to one person.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from redmine_mailbridge.wiring import application as app
from tests.helpdesk import ANNA, BOB, HelpDesk, Post, help_desk, text_of, writes
from tests.unit.outgoing.histories import CHECKS, WORD, OneIssue, new_word, parsed, people

KIM, LEE, MALLORY = "kim@client.example", "lee@client.example", "mallory@evil.example"
VALUES = [KIM, LEE, "", "kim", "desk@example.com", f"{KIM}, {LEE}", f" {KIM.upper()} "]

NAMES = st.tuples(st.just("names"), st.sampled_from(VALUES), st.booleans())
NOTES = st.tuples(st.just("note"), st.sampled_from([ANNA, BOB]), st.booleans())
MAILS = st.tuples(st.just("mail"), st.sampled_from([KIM, LEE, MALLORY]), st.booleans())
CHANGES = st.tuples(st.sampled_from(["project", "issue", "hide"]))
COMMANDS = st.tuples(st.just("command"), st.sampled_from([KIM, LEE]))
TURN = st.just(("turn",))
HISTORY = st.lists(st.one_of(NAMES, NOTES, NOTES, MAILS, CHANGES, TURN, TURN), min_size=3, max_size=12)


@dataclass
class World(OneIssue):
    """One issue made in Redmine. `requester` is the address that it names, "" if it names none that mail may go to;
    `early` are the words of notes from before it first named one, `written_to` whom it named with each word.
    `replaced` are those whom commands have replaced since the last turn, which get the notes from before.
    """

    early: set[str] = field(default_factory=set)
    sent: Counter[tuple[str, str]] = field(default_factory=Counter)
    ids: dict[str, str] = field(default_factory=dict)
    has_begun: bool = False
    requester: str = ""
    written_to: dict[str, str] = field(default_factory=dict)
    replaced: set[str] = field(default_factory=set)

    def note(self, user: int, text: str, *, private: bool = False) -> None:
        self.desk.redmine.writes(1, user, text, private=private)
        self.early |= set() if self.has_begun else {text}
        self.written_to[text] = self.requester

    def act(self, step: tuple[Any, ...]) -> None:
        """Somebody does something."""
        match step:
            case ("names", value, with_note):
                before, text = self.requester, new_word() if with_note else ""
                self.desk.redmine.names(1, ANNA, value, text)
                self.requester = value.strip().lower() if value.strip().lower() in {KIM, LEE} else ""
                self.has_begun = self.has_begun or (not before and bool(self.requester))
                self.early |= set() if self.has_begun else {text}
                self.written_to[text] = self.requester
                self.replaced.clear()
            case ("command", value):
                self.replaced |= {self.requester} - {""}
                self.requester, self.has_begun, text = value, True, new_word()
                self.desk.redmine.writes(1, BOB, f"/requester {value}\n{text}")
                self.written_to[text] = value
            case ("note", user, private):
                self.note(user, new_word(), private=private)
            case ("mail", sender, proven):
                answers = {"In_Reply_To": self.ids[sender]} if sender in self.ids else {}
                self.desk.mail(writes(sender, "Re: [#1] x", "Thanks.", proven=proven, Cc=MALLORY, **answers))
            case ("project" | "issue" as what,):
                self.switch(what)
            case ("hide",) if self.issue["journals"] and "/requester" not in self.issue["journals"][-1]["notes"]:
                self.issue["journals"][-1]["private_notes"] = True
            case ("turn",):
                self.turn()
        self.desk.redmine.touch(1)

    def turn(self) -> None:
        """The bridge receives, updates and sends; then every mail about the issue that left is looked at."""
        self.desk.turn(self.made)
        public = self.desk.redmine.public and not self.issue["is_private"]
        shown = {
            word for one in self.issue["journals"] if not one["private_notes"] for word in WORD.findall(one["notes"])
        }
        for to, raw in self.desk.post.taken:
            mail = parsed(raw)
            text = text_of(mail)
            readers = people(mail["To"], mail["Cc"])
            named = {self.requester, *self.replaced}
            words = set(WORD.findall(text))
            assert public, "a mail about a private issue"
            assert to in named, f"{to}, whom the issue does not name"
            assert {to} == readers
            assert {to} >= {self.written_to[word] for word in words}, "words that were written to another one"
            assert set() == words - shown, "words of a private note"
            assert set() == words & self.early, "history"
            self.sent.update((to, word) for word in words)
            self.ids[to] = str(mail["Message-ID"])
        self.desk.post.taken.clear()
        self.replaced.clear()
        assert all(count == 1 for count in self.sent.values()), "a note was mailed twice"


QUIET = {"received": False, "received_reply": False, "closed": False, "cc": False}


def _lives(desk: HelpDesk, made: app.Application, history: list[Any]) -> None:
    """An issue without a requester has this history."""
    desk.turn(made)
    internal = new_word()
    desk.redmine.makes(ANNA, "The printer burns", f"{internal} is internal.", requester="")
    world = World(desk, made, early={internal})
    for step in [*history, ("turn",), ("note", BOB, False), ("turn",)]:
        world.act(step)


@settings(max_examples=25, deadline=None, suppress_health_check=CHECKS)
@given(history=HISTORY)
@example(history=[("names", KIM, True), ("turn",), ("names", LEE, True), ("turn",), ("note", BOB, False)])
@example(history=[("names", KIM, True), ("turn",), ("mail", KIM, True), ("names", LEE, False), ("note", BOB, False)])
@example(history=[("note", BOB, False), ("turn",), ("names", KIM, False), ("turn",), ("names", "", True)])
@example(history=[("names", "kim", True), ("turn",), ("names", KIM, True), ("turn",), ("issue",), ("note", BOB, False)])
def test_only_whom_the_issue_names(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, server: Post, history: list[Any]
) -> None:
    """The field set, changed, emptied and set to what is no address; notes public, private and hidden; the issue and
    its project made private; replies proven and forged: each mail goes to whom the field names at that moment.
    """
    server.taken.clear()
    issue = {"requester_field": "Requester", "conversations_from_redmine": True, "answer_refused": False}
    desk_values = {"mailboxes": {"desk": {"answers": QUIET, "issue": issue}}}
    with (
        help_desk(tmp_path_factory.mktemp("desk"), monkeypatch, server, desk_values) as desk,
        desk.application() as made,
    ):
        _lives(desk, made, history)


@settings(max_examples=25, deadline=None, suppress_health_check=CHECKS)
@given(history=st.lists(st.one_of(NAMES, COMMANDS, NOTES, NOTES, MAILS, CHANGES, TURN, TURN), min_size=3, max_size=12))
@example(history=[("turn",), ("command", KIM), ("command", LEE)])
@example(history=[("note", BOB, False), ("command", KIM), ("names", LEE, True), ("note", BOB, False), ("turn",)])
@example(history=[("names", KIM, True), ("turn",), ("command", LEE), ("names", KIM, True), ("note", BOB, False)])
@example(history=[("command", KIM), ("names", "", True), ("turn",), ("command", LEE), ("turn",), ("names", "", True)])
def test_only_whom_the_issue_names_by_field_or_command(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, server: Post, history: list[Any]
) -> None:
    """The same where commands name requesters, too: each mail goes to whom the newer of both names at that moment, or
    did until another command followed in the same turn.
    """
    server.taken.clear()
    issue = {"requester_field": "Requester", "conversations_from_redmine": True, "answer_refused": False}
    answers = QUIET | {"command_roles": ["Agent"]}
    desk_values = {"mailboxes": {"desk": {"answers": answers, "issue": issue}}}
    with (
        help_desk(tmp_path_factory.mktemp("desk"), monkeypatch, server, desk_values) as desk,
        desk.application() as made,
    ):
        _lives(desk, made, history)
