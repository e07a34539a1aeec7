"""A lost answer where the key is another's by now, the issue has gone, or something before Redmine has answered."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.wiring import time_rules as ruling
from tests.product import mail, message_id_of
from tests.unit.tasks import desk as small
from tests.unit.tasks.desk import Desk, open_desk

PAGE = "<html><title>500 Internal Server Error</title></html>"
HOUR = 3600.0


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk."""
    with open_desk(tmp_path, monkeypatch) as made:
        yield made


def subjects(desk: Desk) -> list[str]:
    """The subjects of the issues, sorted."""
    return sorted(issue["subject"] for issue in desk.issues)


def ended(desk: Desk) -> list[State]:
    """Where the mails stand."""
    return [row.state for row in desk.rows()]


def wait_long(desk: Desk) -> None:
    """A request may be under way for half a minute."""
    values = desk.settings.model_dump(exclude_unset=True)
    desk.settings = Settings.model_validate(values | {"redmine": values["redmine"] | {"settle": "30s"}})


@pytest.mark.fault("A11-A1")
@pytest.mark.parametrize("reply", [False, True], ids=["issue", "note"])
def test_the_key_is_anothers_by_now(desk: Desk, monkeypatch: pytest.MonkeyPatch, *, reply: bool) -> None:
    """What the bridge wrote under the key of one user is found again under the key of another."""
    first = mail("Start")
    if reply:
        desk.server.append(first)
        desk.receive()
    desk.answers = [(502, "written")]
    desk.server.append(mail("Re: Start", "Again.\n", In_Reply_To=message_id_of(first)) if reply else first)
    desk.receive()
    monkeypatch.setitem(small.ME, "id", 9)
    for _ in range(2):
        desk.receive()
    assert ["Start"] == subjects(desk)
    assert int(reply) == len(desk.issues[0]["journals"])
    assert {State.DONE} == set(ended(desk))


@pytest.mark.fault("A11-A2")
@pytest.mark.parametrize("cut", [("subject",), ("subject", "description")])
def test_nothing_is_left_before_the_first_emoji(desk: Desk, cut: tuple[str, ...]) -> None:
    """A MySQL that is not strict cuts a text at its first character of 4 bytes, also where that begins the text."""
    desk.answers = [(502, "written")]
    text = "\N{GRINNING FACE} too\n" if len(cut) > 1 else "Plain words\n"
    desk.server.append(mail("\N{GRINNING FACE} hello", text))
    desk.receive()
    desk.issues[0] |= {name: desk.issues[0][name].partition("\N{GRINNING FACE}")[0].rstrip() for name in cut}
    for _ in range(2):
        desk.receive()
    assert 1 == len(desk.issues)
    assert [State.DONE] == ended(desk)


@pytest.mark.fault("A11-A3")
@pytest.mark.parametrize("said", [PAGE, "<upstream failed>"], ids=["page", "words"])
def test_a_500_of_something_before_redmine(desk: Desk, said: str) -> None:
    """A 500 that Redmine has not written says nothing of the request, which may still go on: it is given its time."""
    wait_long(desk)
    desk.answers = [(500, said)]
    desk.server.append(mail("Slow"))
    desk.receive()
    assert (1, [State.WRITING]) == (desk.writes, ended(desk))


def test_an_emoji_behind_such_a_500(desk: Desk) -> None:
    """Where a page stands in for Redmine's 500, a mail with an emoji is sent in simpler characters all the same."""
    desk.always = lambda body: (500, PAGE) if "\\ud83d" in body else None
    desk.server.append(mail("Broken \N{GRINNING FACE}"))
    for _ in range(3):
        desk.receive()
    assert ["Broken :grinning_face:"] == subjects(desk)
    assert [State.DONE] == ended(desk)


@pytest.mark.fault("A11-A4")
@pytest.mark.parametrize("status", [403, 404, 406])
def test_a_refusal_in_words_that_are_not_redmines(desk: Desk, status: int) -> None:
    """A load balancer's "404 page not found" refuses no mail, although Redmine has answered a moment ago."""
    desk.answers = [(status, "<page not found>")]
    desk.server.append(mail("Redeployed"))
    desk.receive()
    assert [State.WRITING] == ended(desk)
    desk.receive()
    assert (["Redeployed"], [State.DONE]) == (subjects(desk), ended(desk))


@pytest.mark.fault("A11-A6")
@pytest.mark.parametrize(("status", "lost"), [(403, False), (404, False), (404, True)])
def test_the_issue_goes_before_the_note(desk: Desk, status: int, *, lost: bool) -> None:
    """A reply to an issue that is deleted, or hidden, between the decision and the note makes an issue of its own."""
    first = mail("Start")
    desk.server.append(first)
    desk.receive()
    gone = threading.Event()

    def put(body: str) -> tuple[int, str] | None:
        if '"notes"' not in body:
            return None
        if lost and not gone.is_set():
            gone.set()
            return 502, ""
        gone.set()
        return status, ""

    desk.always = put
    desk.reads = lambda url: (status, {}, "") if gone.is_set() and "/issues/1.json" in url else None
    desk.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=message_id_of(first)))
    for _ in range(3):
        desk.receive()
    assert ["Re: Start", "Start"] == subjects(desk)
    assert [State.DONE, State.DONE] == ended(desk)


@pytest.mark.fault("A11-A7")
def test_a_stranger_bears_the_message_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The issue of a mail that bears another's Message-ID is not taken for that one's, in whatever order they are
    looked for, although it bears the marker.
    """
    monkeypatch.setitem(small.PROJECT, "issue_custom_fields", [{"id": 5, "name": "Mail"}])
    with open_desk(tmp_path, monkeypatch) as desk:
        values = desk.settings.model_dump(exclude_unset=True)
        desk.settings = Settings.model_validate(values | {"redmine": values["redmine"] | {"marker_field": "Mail"}})
        forged = mail("Something else", "Quite other words, of somebody else.\n", sender="eve@evil.example")
        bears = message_id_of(forged)
        desk.answers = [(502, "written"), (502, "")]
        desk.server.append(forged, mail("The true one", "What I have to say.\n", message_id=bears))
        desk.receive()
        desk.issues[0]["custom_fields"] = [{"id": 5, "value": bears.strip("<>")}]
        forger, true = desk.rows()
        with desk.application() as made:
            made.store.defer(forger.id, "looked for later", after=900.0, counts=False)
            made.store.defer(true.id, "looked for now", after=0.0, counts=False)
            made.receivers[0].once()
        desk.receive()
        assert ["Something else", "The true one"] == subjects(desk)
        assert [1, 2] == [row.issue for row in desk.rows()]


@pytest.mark.fault("A11-A5")
@pytest.mark.parametrize("status", [408, 429, 503])
def test_a_rule_of_time_behind_a_proxy(desk: Desk, status: int) -> None:
    """Where a proxy says that nothing was done, a rule's note is looked for before it is written again."""
    values = desk.settings.model_dump(exclude_unset=True)
    rule = {"name": "late", "when": {"no_answer": "1h"}, "then": {"note": "Nobody has answered."}}
    desk.settings = Settings.model_validate(values | {"rules": [rule]})
    desk.server.append(mail("Start"))
    desk.receive()
    desk.answers = [(status, "written")]
    with desk.application() as one:
        clock = one.store.clock() + 2 * HOUR
        rules = ruling.time_rules(
            one.settings, one.store, one.client, one.directory, mirror=one.mirror, letters=one.letters,
            now=lambda: clock,
        )  # fmt: skip
        for _ in range(3):
            one.client.pace.forget_pause()
            rules.once(threading.Event())
    assert ["Nobody has answered."] == [journal["notes"] for journal in desk.issues[0]["journals"]]
