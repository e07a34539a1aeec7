"""A lost answer where the key is another's by now, the issue has gone, or something before Redmine has answered."""

import threading
from pathlib import Path

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.wiring import time_rules as ruling
from tests.product import mail, message_id_of
from tests.unit.tasks import fake_redmine as small
from tests.unit.tasks.fake_redmine import FakeRedmine, open_fake_redmine

PAGE = "<html><title>500 Internal Server Error</title></html>"
HOUR = 3600.0


def subjects(fake: FakeRedmine) -> list[str]:
    """The subjects of the issues, sorted."""
    return sorted(issue["subject"] for issue in fake.issues)


def ended(fake: FakeRedmine) -> list[State]:
    """Where the mails stand."""
    return [row.state for row in fake.rows()]


def wait_long(fake: FakeRedmine) -> None:
    """A request may be under way for half a minute."""
    values = fake.settings.model_dump(exclude_unset=True)
    fake.settings = Settings.model_validate(values | {"redmine": values["redmine"] | {"settle": "30s"}})


@pytest.mark.fault("A11-A1")
@pytest.mark.parametrize("reply", [False, True], ids=["issue", "note"])
def test_the_key_is_anothers_by_now(fake: FakeRedmine, monkeypatch: pytest.MonkeyPatch, *, reply: bool) -> None:
    """What the bridge wrote under the key of one user is found again under the key of another."""
    first = mail("Start")
    if reply:
        fake.server.append(first)
        fake.receive()
    fake.answers = [(502, "written")]
    fake.server.append(mail("Re: Start", "Again.\n", In_Reply_To=message_id_of(first)) if reply else first)
    fake.receive()
    monkeypatch.setitem(small.ME, "id", 9)
    for _ in range(2):
        fake.receive()
    assert ["Start"] == subjects(fake)
    assert int(reply) == len(fake.issues[0]["journals"])
    assert {State.DONE} == set(ended(fake))


@pytest.mark.fault("A11-A2")
@pytest.mark.parametrize("cut", [("subject",), ("subject", "description")])
def test_nothing_is_left_before_the_first_emoji(fake: FakeRedmine, cut: tuple[str, ...]) -> None:
    """A MySQL that is not strict cuts a text at its first character of 4 bytes, also where that begins the text."""
    fake.answers = [(502, "written")]
    text = "\N{GRINNING FACE} too\n" if len(cut) > 1 else "Plain words\n"
    fake.server.append(mail("\N{GRINNING FACE} hello", text))
    fake.receive()
    fake.issues[0] |= {name: fake.issues[0][name].partition("\N{GRINNING FACE}")[0].rstrip() for name in cut}
    for _ in range(2):
        fake.receive()
    assert 1 == len(fake.issues)
    assert [State.DONE] == ended(fake)


@pytest.mark.fault("A11-A3")
@pytest.mark.parametrize("said", [PAGE, "<upstream failed>"], ids=["page", "words"])
def test_a_500_of_something_before_redmine(fake: FakeRedmine, said: str) -> None:
    """A 500 that Redmine has not written says nothing of the request, which may still go on: it is given its time."""
    wait_long(fake)
    fake.answers = [(500, said)]
    fake.server.append(mail("Slow"))
    fake.receive()
    assert (1, [State.WRITE_PENDING]) == (fake.writes, ended(fake))


def test_an_emoji_behind_such_a_500(fake: FakeRedmine) -> None:
    """Where a page stands in for Redmine's 500, a mail with an emoji is sent in simpler characters all the same."""
    fake.always = lambda body: (500, PAGE) if "\\ud83d" in body else None
    fake.server.append(mail("Broken \N{GRINNING FACE}"))
    for _ in range(3):
        fake.receive()
    assert ["Broken :grinning_face:"] == subjects(fake)
    assert [State.DONE] == ended(fake)


@pytest.mark.fault("A11-A4")
@pytest.mark.parametrize("status", [403, 404, 406])
def test_a_refusal_in_words_that_are_not_redmines(fake: FakeRedmine, status: int) -> None:
    """A load balancer's "404 page not found" refuses no mail, although Redmine has answered a moment ago."""
    fake.answers = [(status, "<page not found>")]
    fake.server.append(mail("Redeployed"))
    fake.receive()
    assert [State.WRITE_PENDING] == ended(fake)
    fake.receive()
    assert (["Redeployed"], [State.DONE]) == (subjects(fake), ended(fake))


@pytest.mark.fault("A11-A6")
@pytest.mark.parametrize(("status", "lost"), [(403, False), (404, False), (404, True)])
def test_the_issue_goes_before_the_note(fake: FakeRedmine, status: int, *, lost: bool) -> None:
    """A reply to an issue that is deleted, or hidden, between the decision and the note makes an issue of its own."""
    first = mail("Start")
    fake.server.append(first)
    fake.receive()
    gone = threading.Event()

    def put(body: str) -> tuple[int, str] | None:
        if '"notes"' not in body:
            return None
        if lost and not gone.is_set():
            gone.set()
            return 502, ""
        gone.set()
        return status, ""

    fake.always = put
    fake.reads = lambda url: (status, {}, "") if gone.is_set() and "/issues/1.json" in url else None
    fake.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=message_id_of(first)))
    for _ in range(3):
        fake.receive()
    assert ["Re: Start", "Start"] == subjects(fake)
    assert [State.DONE, State.DONE] == ended(fake)


@pytest.mark.fault("A11-A7")
def test_a_stranger_bears_the_message_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The issue of a mail that bears another's Message-ID is not taken for that one's, in whatever order they are
    looked for, although it bears the marker.
    """
    monkeypatch.setitem(small.PROJECT, "issue_custom_fields", [{"id": 5, "name": "Mail"}])
    with open_fake_redmine(tmp_path, monkeypatch) as fake:
        values = fake.settings.model_dump(exclude_unset=True)
        fake.settings = Settings.model_validate(values | {"redmine": values["redmine"] | {"marker_field": "Mail"}})
        forged = mail("Something else", "Quite other words, of somebody else.\n", sender="eve@evil.example")
        bears = message_id_of(forged)
        fake.answers = [(502, "written"), (502, "")]
        fake.server.append(forged, mail("The true one", "What I have to say.\n", message_id=bears))
        fake.receive()
        fake.issues[0]["custom_fields"] = [{"id": 5, "value": bears.strip("<>")}]
        forger, true = fake.rows()
        with fake.application() as made:
            made.store.defer(forger.id, "looked for later", after=900.0, counts=False)
            made.store.defer(true.id, "looked for now", after=0.0, counts=False)
            made.receivers[0].once()
        fake.receive()
        assert ["Something else", "The true one"] == subjects(fake)
        assert [1, 2] == [row.issue for row in fake.rows()]


@pytest.mark.fault("A11-A5")
@pytest.mark.parametrize("status", [408, 429, 503])
def test_a_rule_of_time_behind_a_proxy(fake: FakeRedmine, status: int) -> None:
    """Where a proxy says that nothing was done, a rule's note is looked for before it is written again."""
    values = fake.settings.model_dump(exclude_unset=True)
    rule = {"name": "late", "when": {"no_answer": "1h"}, "then": {"note": "Nobody has answered."}}
    fake.settings = Settings.model_validate(values | {"rules": [rule]})
    fake.server.append(mail("Start"))
    fake.receive()
    fake.answers = [(status, "written")]
    with fake.application() as one:
        clock = one.store.clock() + 2 * HOUR
        rules = ruling.time_rules(
            one.settings, one.store, one.client, one.metadata, issue_sync=one.issue_sync, mailer=one.mailer,
            now=lambda: clock,
        )  # fmt: skip
        for _ in range(3):
            one.client.limiter.forget_pause()
            rules.once(threading.Event())
    assert ["Nobody has answered."] == [journal["notes"] for journal in fake.issues[0]["journals"]]


def test_what_the_last_of_many_tries_has_written_is_found_before_the_mail_is_set_aside(fake: FakeRedmine) -> None:
    """The mail is done then, with the number of its tries on its record, and not in the failure folder."""
    fake.answers = [(502, "written")]
    fake.server.append(mail("Start"))
    fake.receive()
    with fake.application() as made, made.store.database.write() as db:
        db.exec_driver_sql("UPDATE mail SET tries = 500")
    fake.receive()
    (row,) = fake.rows()
    assert ["Start"] == subjects(fake)
    assert (State.DONE, fake.issues[0]["id"]) == (row.state, row.created_issue)
    assert "found after 500 failed attempts" in (row.reason or "")


@pytest.mark.parametrize("limit", [0, 2000])
def test_the_last_of_many_tries_is_looked_for_also_with_a_further_note(fake: FakeRedmine, limit: int) -> None:
    """The mail is done if that was the last part of it; if others are missing, it is not, and lies with the failed."""
    values = fake.settings.model_dump(exclude_unset=True)
    values["mailboxes"]["desk"]["issue"]["description_limit"] = limit
    fake.settings = Settings.model_validate(values)
    fake.describes = lambda _text: ""
    fake.refuses = lambda _name: "txt is not allowed"
    fake.answers = [(201, ""), (502, "written")]
    fake.server.append(mail("Start", "Many words of a text.\n" * 200))
    fake.receive()
    assert ([State.WRITE_PENDING], 1) == (ended(fake), len(fake.issues[0]["journals"]))
    with fake.application() as made, made.store.database.write() as db:
        db.exec_driver_sql("UPDATE mail SET tries = 500")
    fake.receive()
    assert ([State.FAILED if limit else State.DONE], 1) == (ended(fake), len(fake.issues[0]["journals"]))


def test_another_note_of_the_same_user_is_not_taken_for_the_lost_one(fake: FakeRedmine) -> None:
    """The request was lost, and somebody has written with the bridge's key meanwhile."""
    first = mail("Start")
    fake.server.append(first)
    fake.receive()
    fake.answers = [(502, "")]
    fake.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=message_id_of(first)))
    fake.receive()
    fake.note(fake.issues[0], {"notes": "A script was here."}, {"id": 1, "name": "Mail Bridge"})
    fake.receive()
    texts = [journal["notes"].rpartition("\n\n")[2] for journal in fake.issues[0]["journals"]]
    assert (["A script was here.", "The reply."], [State.DONE] * 2) == (texts, ended(fake))


def test_a_note_that_may_be_there_is_not_written_again_while_its_issue_is_hidden(fake: FakeRedmine) -> None:
    """Whether it was written cannot be seen: a person has to look."""
    first = mail("Start")
    fake.server.append(first)
    fake.receive()
    fake.answers = [(502, "written")]
    fake.server.append(mail("Re: Start", "The reply.\n", In_Reply_To=message_id_of(first)))
    fake.receive()
    fake.reads = lambda url: (403, {}, "") if "/issues/1.json" in url else None
    for _ in range(3):
        fake.receive()
    assert ([State.DONE, State.REJECTED], 1) == (ended(fake), len(fake.issues[0]["journals"]))
    assert ["Start"] == subjects(fake)
