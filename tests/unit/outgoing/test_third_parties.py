"""Over any history of an issue: the customer reads nothing of third parties, they nothing of the customer, and what is
private is mailed to whom the agent's note names alone.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.helpdesk import ANNA, BOB, BRIDGE, Post, help_desk, text_of, writes
from tests.unit.outgoing.histories import CHECKS, WORD, OneIssue, new_word, parsed, people

KIM, BOSS = "kim@client.example", "boss@client.example"
SUE, SAM, OTHER = "sue@parts.example", "sam@parts.example", "depot@parts.example"
SUPPLIERS = {SUE, SAM, OTHER}
MARK, OF_THIRD = "mbx1x", "mb.third_party."
OF_ISSUE = re.compile(r"^mb\.[a-z_]+\.([0-9]+)\.")
OF_NOTE = re.compile(r"\.j([0-9]+)\.")

MAILS = st.tuples(
    st.just("mail"),
    st.sampled_from([KIM, KIM, BOSS, SUE, SUE, SAM, OTHER, "anna@example.com"]),
    st.booleans(),
    st.sampled_from(["", "", BOSS, SUE, KIM, f"{KIM}, {SAM}"]),
    st.sampled_from(["tag", "tag", "ours", "theirs", "their mail", "quote"]),
)
NOTES = st.tuples(
    st.just("note"),
    st.sampled_from([ANNA, BOB]),
    st.booleans(),
    st.sampled_from(["", "", SUE, SUE, f"{SUE} {SAM}", SAM, KIM, f"{SUE} {KIM}", BOSS, f"cc {SUE}"]),
)
CHANGES = st.tuples(st.sampled_from(["project", "issue", "close"]))
TURN = st.just(("turn",))
HISTORY = st.lists(st.one_of(MAILS, MAILS, NOTES, NOTES, CHANGES, TURN, TURN), min_size=3, max_size=9)
ASKED = [("note", BOB, True, SUE), ("turn",)]
REFUSED = [("note", BOB, True, KIM), ("note", BOB, True, f"{SUE} {KIM}")]
KIM_COPIES, KIM_READS_IT = ("mail", KIM, True, SUE, "tag"), ("mail", KIM, True, "", "their mail")


def everything(mail: Any) -> str:
    """All that can be read in a mail: its header fields and its parts."""
    parts = [part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"]
    return "\n".join([*(f"{name}: {value}" for name, value in mail.items()), *parts])


@dataclass
class World(OneIssue):
    """One issue with its mails. `apart` are the words that no mail to the customer's side may hold, `named` the third
    parties, `notes` the words of notes and the addresses that each names, if it may be mailed to them.
    """

    replies: str
    apart: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    notes: dict[str, set[str]] = field(default_factory=dict)
    ours: list[tuple[str, str, str]] = field(default_factory=list)
    """Recipient, Message-ID and text of our mails."""
    theirs: list[str] = field(default_factory=list)
    """The Message-IDs of the mails of third parties."""
    customers: set[str] = field(default_factory=set)
    """The words and Message-IDs of all but third parties."""
    chains: dict[str, list[str]] = field(default_factory=dict)
    """References, by Message-ID."""
    seen: int = 0

    def mail(self, sender: str, proven: bool, cc: str, how: str) -> None:
        """Somebody writes to the issue: by its tag, in reply to our mail, to one to or from third parties, or with the
        text of that as a quote and without its header fields.
        """
        body, subject, own_id = new_word(), new_word(), f"{new_word().strip('w')}.x@{sender.rpartition('@')[2]}"
        headers = {"Message_ID": f"<{own_id}>", **({"Cc": cc} if cc else {})}
        to_them = [one for one in self.ours if OF_THIRD in one[1]]
        mine = [one for one in self.ours if one[0] == sender]
        nothing = ("", "", "")
        _, answered, text = {
            "ours": mine[-1] if mine else nothing,
            "theirs": to_them[-1] if to_them else nothing,
            "their mail": ("", self.theirs[-1], "") if self.theirs else nothing,
            "quote": to_them[-1] if to_them else nothing,
        }.get(how, nothing)
        quoted = "".join(f"\r\n> {line}" for line in text.splitlines())
        chain = [*self.chains.get(answered, ()), answered] if answered and how != "quote" else []
        self.chains[own_id] = chain
        if chain:
            headers |= {"In_Reply_To": f"<{answered}>", "References": " ".join(f"<{one}>" for one in chain)}
        elsewhere = OF_ISSUE.search(answered)
        thread = MARK in quoted or any(OF_THIRD in one or one in self.theirs for one in chain)
        thread = thread or (sender in self.named and (elsewhere is None or elsewhere[1] == "1"))
        if thread:
            self.apart |= {body, subject, *(WORD.findall(quoted) if OF_THIRD in answered else ())}
            if sender in SUPPLIERS | self.named and (sender in self.named or chain):
                self.theirs.append(own_id)
        if not (thread and sender in SUPPLIERS):
            self.customers |= {body, subject, own_id}
        text = f"{body}\r\n\r\nOn Monday we wrote:{quoted}" if quoted else body
        self.desk.mail(writes(sender, f"Re: [Desk - Bug #1] {subject}", text, proven=proven, **headers))

    def note(self, user: int, private: bool, to: str) -> None:
        """An agent writes a note."""
        word = new_word()
        command, people_named = ("/cc", to[3:]) if to.startswith("cc ") else ("/to", to)
        text = f"{command} {people_named}\n{word}" if to else word
        self.desk.redmine.writes(1, user, text, private=private)
        valid = set(to.split()) if private and command == "/to" and KIM not in to.split() else set()
        self.notes[word] = valid
        if private or (to and command == "/to"):
            self.apart.add(word)
        else:
            self.customers.add(word)

    def act(self, what: str) -> None:
        """Somebody does something in Redmine, or the bridge has its turn."""
        match what:
            case "turn":
                self.turn()
            case "project" | "issue":
                self.switch(what)
            case "close":
                self.issue["status"] = {"id": 5, "name": "Closed", "is_closed": True}
        self.desk.redmine.touch(1)

    def turn(self) -> None:
        """The bridge receives, updates and sends; then every mail that left is looked at, and every note."""
        self.desk.turn(self.made)
        new, self.seen = self.desk.post.taken[self.seen :], len(self.desk.post.taken)
        mails = [(to, parsed(raw)) for to, raw in new]
        before = dict.fromkeys(self.named, 0)
        since = before | {
            to: number for to, mail in reversed(mails) if (number := _note(mail)) and OF_THIRD in mail["Message-ID"]
        }
        since |= before
        self.named |= since.keys()
        for to, mail in mails:
            own_id, words = str(mail["Message-ID"]).strip("<> "), set(WORD.findall(everything(mail)))
            readers = {to} | people(mail["To"], mail["Cc"])
            if own_id.startswith(OF_THIRD):
                (word,) = words
                assert readers == self.notes[word], "others than whom the note names"
                for secret in self.customers | {KIM, "Kim Client"}:
                    assert secret not in everything(mail), secret
                assert set(str(mail["References"] or "").split()) <= self._thread_ids(readers)
            elif own_id.split(".")[2:3] == ["1"]:
                apart = {one for one, number in since.items() if number < _note(mail) or one in before}
                assert set() == readers & apart, "a third party reads what is the customer's"
                assert set() == words & self.apart, "words of third parties, or to them"
                known = f"{mail['References']} {mail['In-Reply-To']}"
                assert [] == [one for one in (*self.theirs, OF_THIRD) if one in known]
            text = text_of(mail)
            self.ours.append((to, own_id, text))
            self.chains[own_id] = [one.strip("<>") for one in str(mail["References"] or "").split()]
        if self.replies == "private":
            for number, issue in self.desk.redmine.issues.items():
                texts = [issue["description"], issue["subject"]] if not issue["is_private"] and number > 1 else []
                texts += [one["notes"] for one in issue["journals"] if not one["private_notes"]]
                by_bridge = [text for text in texts if "/to" not in text]
                assert set() == set(WORD.findall("\n".join(by_bridge))) & self.apart, "public in Redmine"

    def _thread_ids(self, readers: set[str]) -> set[str]:
        sent: dict[str, set[str]] = {}
        for to, own_id, _ in self.ours:
            sent.setdefault(own_id, set()).add(to)
        return {f"<{own_id}>" for own_id, them in sent.items() if them == readers}


def _note(mail: Any) -> int:
    """The note that a mail holds, by its Message-ID; 0 if it holds none."""
    found = OF_NOTE.search(str(mail["Message-ID"]))
    return int(found[1]) if found else 0


@pytest.mark.parametrize("replies", ["private", "public"])
@settings(max_examples=2, deadline=None, suppress_health_check=CHECKS)
@given(history=HISTORY)
@example(history=[*ASKED, ("mail", SUE, False, f"{KIM}, {SAM}", "ours"), ("turn",), KIM_READS_IT])
@example(history=[KIM_COPIES, ("turn",), *ASKED, KIM_COPIES, ("mail", KIM, True, SUE, "theirs")])
@example(history=[*ASKED, ("mail", OTHER, False, "", "theirs"), ("turn",), ("mail", OTHER, True, "", "tag")])
@example(history=[*ASKED, ("mail", OTHER, True, "", "quote"), ("note", BOB, False, f"cc {SUE}")])
@example(history=[("note", BOB, False, SUE), *REFUSED, *ASKED, ("close",), ("mail", SUE, True, "", "tag")])
def test_neither_side_reads_the_other(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    server: Post,
    history: list[Any],
    replies: str,
) -> None:
    """Notes to suppliers, public and private notes, mail of the customer, of colleagues and of suppliers, proven and
    forged, to all, in reply to anything, from other addresses, with tags or quotes alone, in any order: a mail to third
    parties holds the note that names them and nothing else, not even a Message-ID or a name of the customer's; no other
    mail holds a word of theirs, of what was written to them, or of a private note, or goes to them.
    """
    server.taken.clear()
    answers = {"received": True, "received_reply": True, "third_parties": True, "command_roles": ["Agent"]}
    desk_values = {"answers": answers, "issue": {"third_party_replies": replies}}
    with (
        help_desk(tmp_path_factory.mktemp("desk"), monkeypatch, server, {"mailboxes": {"desk": desk_values}}) as desk,
        desk.application() as made,
    ):
        world = World(desk, made, replies)
        subject, first = new_word(), new_word()
        world.customers |= {subject, first, "first.x@client.example"}
        desk.mail(writes(f"Kim Client <{KIM}>", subject, first, Cc=BOSS, Message_ID="<first.x@client.example>"))
        desk.turn(made)
        world.seen = len(server.taken)
        desk.redmine.issues[1]["assigned_to"] = {"id": ANNA, "name": "Anna Agent"}
        for step in [*history, ("turn",), ("note", BOB, False, ""), ("turn",)]:  # an answer to the customer at the end
            match step:
                case ("mail", sender, proven, cc, how):
                    world.mail(sender, proven, cc, how)
                case ("note", user, private, to):
                    world.note(user, private, to)
                case (what, *_):
                    world.act(what)
        told = [one for one in world.issue["journals"] if "was not mailed" in one["notes"]]
        assert all(one["private_notes"] and one["user"]["id"] == BRIDGE for one in told)
