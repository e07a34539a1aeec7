"""What Redmine does not take of a mail, whatever it answers, stands in a further note, each once."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.settings.models import Settings
from tests.product import mail, message_id_of
from tests.unit.tasks.fake_redmine import PROJECT, FakeRedmine, open_fake_redmine

ANNA = "Anna Agent <anna@example.com>"
LONG = "".join(f"word{number} of a long text\n" for number in range(200))


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRedmine]:
    """A desk that believes every From, where anna has a user."""
    with open_fake_redmine(tmp_path, monkeypatch) as made:
        made.users = {"anna": 5}
        change(made, trust="any")
        yield made


def change(fake: FakeRedmine, **issue: object) -> None:
    """Given keys of the mailbox's issue table, set them."""
    values = fake.settings.model_dump(exclude_unset=True)
    box = values["mailboxes"]["desk"]
    box["issue"] = box["issue"] | issue
    fake.settings = Settings.model_validate(values)


def finish(fake: FakeRedmine) -> list[State]:
    """Make passes, as if the pauses were over. Return where the mails stand."""
    for _ in range(4):
        fake.receive()
    return [row.state for row in fake.rows()]


def notes(fake: FakeRedmine, number: int = 1) -> list[str]:
    """The notes of an issue."""
    return [journal["notes"] for journal in fake.issues[number - 1]["journals"]]


def no_text(_text: str) -> None:
    """A tracker without the field description: Redmine says 201, and drops it."""


def no_txt(name: str) -> str | None:
    """Administration, Settings, Files: allowed extensions pdf, png."""
    return f"Attachment extension .txt is not allowed: {name}" if name.endswith(".txt") else None


# ---------------------------------------------------------------------- the text


@pytest.mark.fault("M1")
@pytest.mark.parametrize("sender", [ANNA, "zoe@elsewhere.example"])
@pytest.mark.parametrize("files", [{}, {"a.bin": b"content"}], ids=["plain", "with a file"])
def test_a_text_that_is_dropped(fake: FakeRedmine, sender: str, files: dict[str, bytes]) -> None:
    """Where the tracker takes no description the mail's text is a note, the file is there, and the issue is one."""
    fake.describes = no_text
    fake.server.append(mail("Dropped", "The text of the mail.\n", sender=sender, files=files))

    assert [State.DONE] == finish(fake)
    (note,) = notes(fake)
    assert "The text of the mail." in note
    assert (1, len(files)) == (len(fake.issues), len(fake.issues[0]["attachments"]))
    assert [1] == [row.created_issue for row in fake.rows()]


@pytest.mark.fault("M1")
@pytest.mark.parametrize("answers", [
    [(504, "written")], [(500, "written")], [(504, "")],
    [(201, ""), (504, "written")], [(201, ""), (504, "")], [(504, "written"), (500, "written")],
])  # fmt: skip
def test_a_text_that_is_dropped_and_a_lost_answer(fake: FakeRedmine, answers: list[tuple[int, str]]) -> None:
    """One issue and one note, whichever answer is lost, that to the issue or that to the note."""
    fake.describes, fake.answers = no_text, answers
    fake.server.append(mail("Dropped", "The text of the mail.\n"))

    assert [State.DONE] == finish(fake)
    assert (1, 1) == (len(fake.issues), len(notes(fake)))
    assert "The text of the mail." in notes(fake)[0]


def test_twins_whose_texts_are_dropped(fake: FakeRedmine) -> None:
    """Mails of one subject stay as many, each with its own text, whatever answers are lost."""
    fake.describes = no_text
    fake.answers = [(504, "written"), (504, ""), (500, "written")]
    fake.server.append(*(mail("Alike", f"Text {number}.\n") for number in range(3)))

    assert [State.DONE] * 3 == finish(fake)
    texts = sorted(note.splitlines()[-1] for number in (1, 2, 3) for note in notes(fake, number))
    assert (3, ["Text 0.", "Text 1.", "Text 2."]) == (len(fake.issues), texts)


@pytest.mark.fault("M1")
def test_a_text_whose_end_is_dropped(fake: FakeRedmine) -> None:
    """A database that cuts a text without a word leaves the rest to a note."""
    fake.describes = lambda text: text[:200]
    fake.server.append(mail("Cut", LONG))

    assert [State.DONE] == finish(fake)
    (note,) = notes(fake)
    assert LONG.split() == [*(fake.issues[0]["description"] + note.partition("\n\n")[2]).split()][-len(LONG.split()) :]


def test_without_a_limit_what_is_dropped_is_one_note(fake: FakeRedmine) -> None:
    change(fake, description_limit=0)
    fake.describes = no_text
    fake.server.append(mail("Dropped", LONG))

    assert [State.DONE] == finish(fake)
    (note,) = notes(fake)
    assert "word199 of a long text" in note


def test_a_text_that_is_changed(fake: FakeRedmine) -> None:
    """What a plugin adds or changes is no loss, and makes no note."""
    fake.describes = lambda text: f"[Help desk] {text}"
    fake.server.append(mail("Changed", "The text.\n"))

    assert ([State.DONE], []) == (finish(fake), notes(fake))


@pytest.mark.parametrize("status", [204, 403])
def test_no_note_either(fake: FakeRedmine, status: int) -> None:
    """Where no note can be written the mail is not done, and says what is missing; a retry goes on from there."""
    fake.describes, fake.drops_notes = no_text, status == 204
    fake.answers = [(201, ""), *[(status, "")] * 9] if status != 204 else []
    fake.server.append(mail("Dropped", "The text of the mail.\n"))

    assert [State.REJECTED] == finish(fake)
    (row,) = fake.rows()
    assert "issue #1 was created, but Redmine did not store all of the mail" in (row.reason or "")
    assert 2 == fake.writes, "the issue and the note: the mail is not decided again, since part of it is written"
    fake.drops_notes, fake.answers = False, []
    with fake.application() as made:
        assert made.store.retry(row.id)
    assert [State.DONE] == finish(fake)
    assert (1, 1) == (len(fake.issues), len(notes(fake)))


# ---------------------------------------------------------------------- what is too long


@pytest.mark.fault("M2")
def test_a_long_text_where_no_txt_is_taken(fake: FakeRedmine) -> None:
    """The rest of a long text, and a long subject, become further notes where Redmine takes no file of them."""
    change(fake, description_limit=1000)
    fake.refuses = no_txt
    subject = " ".join(f"subject{number}" for number in range(80))
    fake.server.append(mail(subject, LONG))

    assert [State.DONE] == finish(fake)
    found = fake.issues[0]["description"] + "\n".join(notes(fake))
    assert [] == [word for word in (*LONG.split(), *subject.split()) if word not in found]
    assert max(len(note.encode()) for note in notes(fake)) <= 1000
    assert 1 == found.count("word150 of")
    heads = [note.partition("\n")[0].rpartition(" of it")[2] for note in notes(fake)]
    assert [f" ({number} of {len(heads)})" for number in range(1, 1 + len(heads))] == heads
    assert not any("whole in a file" in line for line in fake.lines(fake.rows()[0]))


@pytest.mark.fault("M2")
@pytest.mark.parametrize("at", range(6))
def test_further_notes_whose_answers_are_lost(fake: FakeRedmine, at: int) -> None:
    """Each further note is there once, whichever answer is lost."""
    change(fake, description_limit=2000)
    fake.refuses = no_txt
    start = mail("Start")
    fake.server.append(start)
    finish(fake)
    fake.answers = [*[(201, "")] * at, (504, "written")]
    fake.server.append(mail("Re: Start", LONG, In_Reply_To=message_id_of(start)))

    assert [State.DONE] * 2 == finish(fake)
    found = "\n".join(notes(fake))
    assert [1] * 200 == [found.count(f"word{number} of") for number in range(200)]


@pytest.mark.fault("M11")
def test_what_is_not_attached_is_told_with_a_long_text(fake: FakeRedmine) -> None:
    """The list of what was not attached stands in the issue, however long the text is."""
    change(fake, description_limit=1000)
    fake.refuses = lambda name: "Attachment extension is not allowed" if name.endswith(".exe") else None
    fake.server.append(mail("Long", LONG, files={"tool.exe": b"content"}))

    assert [State.DONE] == finish(fake)
    assert "`tool.exe`" in fake.issues[0]["description"]
    assert ["mail-text.txt"] == [file["filename"] for file in fake.issues[0]["attachments"]]


@pytest.mark.fault("M6")
def test_a_file_name_that_the_database_does_not_take(fake: FakeRedmine) -> None:
    """A file whose name Redmine fails on is sent under one without characters of 4 bytes."""
    fake.refuses = lambda name: "" if "\U0001f600" in name else None
    fake.server.append(mail("Party", files={"\U0001f600.pdf": b"content"}))

    assert [State.DONE] == finish(fake)
    assert [":grinning_face:.pdf"] == [file["filename"] for file in fake.issues[0]["attachments"]]


# ---------------------------------------------------------------------- fields


@pytest.mark.parametrize("line", ["Priority: Normal", "Start date: 2026-01-05", "Color: red"])
def test_a_keyword_line_that_redmine_drops(fake: FakeRedmine, line: str) -> None:
    """A line that was taken out of the text, and set nothing, stands in a note."""
    field = {"id": 3, "name": "Color", "customized_type": "issue", "field_format": "string", "trackers": [{"id": 1}]}
    fake.pages["/custom_fields.json"] = {"custom_fields": [field]}
    for path in ("/projects/desk.json", "/projects/7.json"):
        fake.pages[path] = {"project": PROJECT | {"issue_custom_fields": [{"id": 3, "name": "Color"}]}}
    change(fake, allow_override="all", keywords_from="anyone")
    fake.server.append(mail("Words", f"Please.\n\n{line}\n"))

    assert [State.DONE] == finish(fake)
    assert ("Please.", 1) == (fake.issues[0]["description"].split()[-1], len(notes(fake)))
    assert f"`{line}`" in notes(fake)[0]


def test_a_keyword_line_that_redmine_refuses(fake: FakeRedmine) -> None:
    """So does one without which the issue was sent again."""
    change(fake, allow_override="all", keywords_from="anyone")
    fake.always = lambda body: (422, "") if "priority_id" in body else None
    fake.server.append(mail("Words", "Please.\n\nPriority: Normal\n"))

    assert [State.DONE] == finish(fake)
    assert "`Priority: Normal`" in notes(fake)[0]


# ---------------------------------------------------------------------- who is assigned


@pytest.mark.fault("A12-7")
def test_an_assignee_that_redmine_refuses(fake: FakeRedmine) -> None:
    """A group that Redmine assigns nothing to is left out of a new issue, and the mail's row says so."""
    member = {"id": 1, "project": {"id": 7}, "group": {"id": 9, "name": "Team"}, "roles": [{"id": 3, "name": "Member"}]}
    for project in ("desk", "7"):
        path = f"/projects/{project}/memberships.json"
        fake.pages[path] = {"memberships": [member], "total_count": 1}
    fake.wrong = lambda values: ["Assignee is invalid"] if "assigned_to_id" in values else []
    change(fake, assignee="Team")
    fake.server.append(mail("Help", sender=ANNA))
    assert [State.DONE] == finish(fake)
    (row,) = fake.rows()
    assert "without assigned to, which Redmine rejected" in (row.reason or "")
    assert any("Assignee is invalid: sent again without assigned_to_id" in line for line in fake.lines(row))


# ---------------------------------------------------------------------- who may add notes to some trackers only


@pytest.mark.parametrize("checked", [True, False])
def test_a_note_that_is_dropped_ends_with_each_process(
    fake: FakeRedmine, monkeypatch: pytest.MonkeyPatch, *, checked: bool
) -> None:
    """Redmine drops the note of a user whose role permits notes: what became of it is known when it has settled, by a
    process of its own (`receive --once`), which does not begin anew with what the first one has learnt already.
    """
    from redmine_mailbridge.tasks.receive import settle  # there is none in the first version

    settled = settle.now()
    monkeypatch.setattr(settle, "now", lambda: settled)
    fake.settings = fake.settings.model_copy(
        update={"redmine": fake.settings.redmine.model_copy(update={"settle": timedelta(seconds=30)})}
    )
    change(fake, check_permissions=checked)
    first = mail("Start", sender=ANNA)
    fake.server.append(first)
    fake.receive()
    fake.unheard = frozenset({"anna"})
    fake.server.append(mail("Re: Start", "More words", sender=ANNA, In_Reply_To=message_id_of(first)))
    fake.receive()
    settled = (settled[0], settled[1] + 31.0)
    fake.receive()
    row = fake.rows()[-1]
    if checked:
        assert (State.REJECTED, []) == (row.state, notes(fake))
    else:
        assert State.DONE is row.state
        assert [True] == ["More words" in note for note in notes(fake)]
