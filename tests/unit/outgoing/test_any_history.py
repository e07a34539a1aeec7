"""Over any history of an issue: no mail holds what is private when it leaves, nor goes to whom nothing proves."""

import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.helpdesk import ANNA, BOB, Post, help_desk, text_of, writes
from tests.unit.outgoing.histories import CHECKS, WORD, OneIssue, new_word, parsed, people

KIM, BOSS, SUE, MALLORY = "kim@client.example", "boss@client.example", "sue@parts.example", "mallory@evil.example"
AGENT, CHIEF = "anna@example.com", "chief@example.com"
SPY = "spy@evil.example"


MAILS = st.tuples(
    st.just("mail"),
    st.sampled_from([KIM, KIM, BOSS, SUE, AGENT]),
    st.booleans(),
    st.sampled_from(["", BOSS, SUE, MALLORY, CHIEF, f"{BOSS}, {MALLORY}"]),
    st.sampled_from(["tag", "tag", "ours", "private note", "public note"]),
)
COMMANDS = [
    f"/cc {SUE}",
    f"/cc {SPY}",
    f"/uncc {BOSS}",
    f"/requester {SUE}",
    f"/requester {SPY}",
    f"/to {SPY}",
    "/cc foo",
]
HOLDS_BACK = ["/private", "/nomail", "/privat"]
NOTES = st.tuples(
    st.just("note"),
    st.sampled_from([ANNA, BOB]),
    st.booleans(),
    st.lists(st.sampled_from([*COMMANDS, *HOLDS_BACK]), max_size=2),
)
KINDS = ["hide", "show", "edit", "empty", "delete", "edit the issue", "project", "issue"]
CHANGES = st.tuples(st.sampled_from(KINDS), st.integers(0, 20))
TURN = st.just(("turn",))
HISTORY = st.lists(st.one_of(MAILS, NOTES, NOTES, CHANGES, TURN, TURN), min_size=3, max_size=14)
SUPPLIER = [
    ("mail", KIM, True, SUE, "tag"),
    ("turn",),
    ("mail", SUE, True, "", "tag"),
    ("turn",),
    ("hide", 0),
    ("hide", 1),
]


@dataclass
class World(OneIssue):
    """One issue, and what is known of its mails: the words of each, who is proven to be in the conversation."""

    proven: set[str] = field(default_factory=lambda: {KIM})
    subjects: dict[str, str] = field(default_factory=dict)
    ours: dict[str, set[str]] = field(default_factory=dict)
    held_back: set[str] = field(default_factory=set)
    seen: int = 0

    def mail(self, sender: str, proven: bool, cc: str, answers: str) -> None:
        """Somebody writes to the issue."""
        body, subject = new_word(), new_word()
        self.subjects[body] = subject
        headers = {"Cc": cc} if cc else {}
        signed = next((one for one, people in reversed(self.ours.items()) if sender in people), None)
        if answers == "ours" and self.ours:
            headers["In_Reply_To"] = signed or next(reversed(self.ours))
            proven_here = proven or (signed is not None)
        else:
            proven_here = proven
            of = [one for one in self.issue["journals"] if one["private_notes"] == (answers == "private note")]
            if answers.endswith("note") and of:
                made = of[-1]["created_on"].translate(str.maketrans("", "", "-:TZ"))
                headers["In_Reply_To"] = f"<redmine.journal-{of[-1]['id']}.{made}.9@redmine.example.com>"
        if proven_here and sender != AGENT:
            self.proven |= {sender, *people(cc)}
        self.desk.mail(writes(sender, f"Re: [Desk - Bug #1] {subject}", body, proven=proven, **headers))

    def note(self, user: int, private: bool, commands: list[str]) -> None:
        """An agent writes a note; Anna may change who gets mail, and Bob may not."""
        word = new_word()
        if user == ANNA:
            self.proven |= people(*(command.partition(" ")[2] for command in commands if not command.startswith("/to")))
        if any(command.split()[0] in {*HOLDS_BACK, "/to"} or command == "/cc foo" for command in commands):
            self.held_back.add(word)
        self.desk.redmine.writes(1, user, "\n".join([*commands, word]), private=private)

    def act(self, what: str, which: int = 0) -> None:
        """Somebody does something in Redmine."""
        journals = self.issue["journals"]
        one = journals[which % len(journals)] if journals else None
        match what:
            case "turn":
                self.turn()
            case "project" | "issue":
                self.switch(what)
            case "edit the issue":
                self.issue["description"] = new_word()
            case _ if one is None:
                return
            case "hide" | "show":
                one["private_notes"] = what == "hide"
            case "edit":
                one["notes"] = new_word()
            case "empty":
                one["notes"] = ""
            case "delete":
                journals.remove(one)
        self.desk.redmine.touch(1)

    def private(self) -> tuple[set[str], set[str]]:
        """The words of private notes, and those that everybody may read."""
        notes = self.issue["journals"]
        hidden = {word for one in notes if one["private_notes"] for word in WORD.findall(one["notes"])}
        if not self.desk.redmine.public or self.issue["is_private"]:
            return hidden, set()
        shown = [one["notes"] for one in notes if not one["private_notes"]]
        return hidden, set(WORD.findall("\n".join([self.issue["description"], self.issue["subject"], *shown])))

    def turn(self) -> None:
        """The bridge receives, updates and sends; then every mail that left is looked at."""
        self.desk.turn(self.made)
        new, self.seen = self.desk.post.taken[self.seen :], len(self.desk.post.taken)
        hidden, may = self.private()
        for to, raw in new:
            mail = parsed(raw)
            text = text_of(mail)
            told = set(WORD.findall(f"{mail['Subject']}\n{mail['Thread-Topic']}\n{text}"))
            subjects = {subject for body, subject in self.subjects.items() if body not in hidden}
            assert set() == told - may - subjects, "words that nobody may read now"
            assert set() == told & self.held_back, "words that their writer held back"
            assert not re.search(r"/(cc|uncc|to|requester|private|privat|nomail)\b", text), "a command"
            assert set() == ({to} | people(mail["To"], mail["Cc"])) - self.proven, "people whom nothing proves"
            self.ours.setdefault(str(mail["Message-ID"]), set()).add(to)


@pytest.mark.fault("O2", "O4", "O21")
@settings(max_examples=25, deadline=None, suppress_health_check=CHECKS)
@given(history=HISTORY)
@example(history=[("note", BOB, True), ("mail", AGENT, False, CHIEF, "private note"), ("turn",), ("note", BOB, False)])
@example(history=[("note", BOB, False, [f"/cc {SPY}"]), ("turn",), ("note", ANNA, False, [f"/cc {SUE}"]), ("turn",)])
@example(history=[("note", ANNA, False, [f"/requester {SUE}"]), ("note", ANNA, False, ["/private"]), ("turn",)])
@example(history=[*SUPPLIER, ("note", BOB, False)])
@example(history=[("mail", KIM, False, MALLORY, "tag"), ("turn",), ("note", BOB, False)])
@example(history=[("note", BOB, False), ("turn",), ("project", 0), ("note", BOB, False)])
@example(history=[("note", BOB, False), ("turn",), ("mail", KIM, False, BOSS, "ours"), ("turn",), ("note", BOB, False)])
def test_no_private_word_leaves_and_nobody_is_told_whom_nothing_proves(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, server: Post, history: list[Any]
) -> None:
    """Public and private notes, notes edited, hidden and removed, the issue and its project made private and public
    again, mail of the customer, a colleague, a supplier and an agent, proven and forged, commands in notes: in no mail
    is a word that is not public at that moment, and besides the requester no address is in To or Cc that only an
    unproven mail names.
    """
    server.taken.clear()
    quiet = {"received": False, "received_reply": False, "command_groups": ["Leads"]}
    with (
        help_desk(
            tmp_path_factory.mktemp("desk"), monkeypatch, server, {"mailboxes": {"desk": {"answers": quiet}}}
        ) as desk,
        desk.application() as made,
    ):
        desk.redmine.groups = {"Leads": (ANNA,)}
        desk.turn(made)
        world = World(desk, made)
        first = new_word()
        desk.mail(writes(f"Kim Client <{KIM}>", new_word(), first, Cc=BOSS))
        world.proven.add(BOSS)
        desk.turn(made)
        desk.redmine.issues[1]["assigned_to"] = {"id": ANNA, "name": "Anna Agent"}
        for step in [*history, ("turn",), ("note", BOB, False), ("turn",)]:
            match step:
                case ("mail", sender, proven, cc, answers):
                    world.mail(sender, proven, cc, answers)
                case ("note", user, private, *commands):
                    world.note(user, private, commands[0] if commands else [])
                case (what, *more):
                    world.act(what, *more)
