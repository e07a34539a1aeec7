"""The pictures and files of an agent's note in its mail: its own alone, within the limit."""

import email
import email.policy
import io
from typing import Any

import pytest
from PIL import Image

from tests.helpdesk import BOB, HelpDesk, writes

pytestmark = pytest.mark.fault("I19-4")


@pytest.fixture
def values() -> dict[str, Any]:
    """Public notes are mailed, and nothing else."""
    return {"mailboxes": {"desk": {"answers": {"received": False, "received_reply": False}}}}


def picture(color: str, width: int = 20) -> bytes:
    """A picture as a file."""
    out = io.BytesIO()
    Image.new("RGB", (width, 10), color).save(out, "PNG")
    return out.getvalue()


def note(desk: HelpDesk, text: str, **files: bytes) -> Any:
    """An agent writes a note. Return the mail that the customer gets."""
    desk.redmine.writes(1, BOB, text, **files)
    desk.turn()
    ((_, raw),) = desk.post.taken
    desk.post.taken.clear()
    return email.message_from_bytes(raw, policy=email.policy.default)


def asked(desk: HelpDesk) -> None:
    """A customer has written, and the mail is an issue."""
    desk.mail(writes("kim@client.example"))
    desk.turn()
    desk.post.taken.clear()


def shown(mail: Any) -> dict[str, bytes]:
    """The pictures that the mail shows in place, by name; each is named by the HTML."""
    page = str(mail.get_body(("html",)).get_content())
    parts = [part for part in mail.walk() if part["Content-ID"]]
    assert [] == [part["Content-ID"] for part in parts if f"cid:{part['Content-ID'][1:-1]}" not in page]
    assert page.count("<img") >= len(parts)
    return {part.get_filename(): part.get_payload(decode=True) for part in parts}


def color_of(content: bytes) -> Any:
    """The color of a picture."""
    with Image.open(io.BytesIO(content)) as loaded:
        return loaded.convert("RGB").getpixel((0, 0))


def attached(mail: Any) -> list[str]:
    """The names of the attachments."""
    return [part.get_filename() for part in mail.iter_attachments()]


def test_pictures_stand_in_their_place(desk: HelpDesk) -> None:
    """A picture that the note names is shown, an umlaut in its name or not; the others are attached."""
    asked(desk)
    mail = note(desk, "See ![](größe.png).", **{"größe.png": picture("red"), "other.png": picture("blue")})
    assert (["größe.png"], ["other.png"]) == (list(shown(mail)), attached(mail))
    assert "See [größe.png]." in mail.get_body(("plain",)).get_content()


def test_of_two_files_of_one_name_the_newest_is_shown(desk: HelpDesk) -> None:
    """As in Redmine; the other one is attached, and a picture that is named twice goes once."""
    asked(desk)
    desk.redmine.writes(1, BOB, "![](a.png) ![](A.PNG)", **{"a.png": picture("red"), "A.png": picture("blue")})
    desk.turn()
    ((_, raw),) = desk.post.taken
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    ((_, content),) = shown(mail).items()
    assert ((0, 0, 255), ["a.png"]) == (color_of(content), attached(mail))


def test_files_of_other_notes_are_never_shown(desk: HelpDesk) -> None:
    """Neither a private note's picture nor another note's, by name or by address."""
    asked(desk)
    desk.redmine.writes(1, BOB, "For us.", private=True, **{"secret.png": picture("red", 33)})
    number = max(desk.redmine.files)
    mail = note(desk, f"![](secret.png) ![](/attachments/download/{number}/secret.png) {{{{thumbnail(secret.png)}}}}")
    assert ({}, []) == (shown(mail), attached(mail))
    assert "picture secret.png: not a file of this note" in desk.story()


def test_a_picture_that_was_deleted_meanwhile(desk: HelpDesk) -> None:
    """The mail goes without it, names it, and the history says so."""
    asked(desk)
    desk.redmine.writes(1, BOB, "See ![](gone.png).", **{"gone.png": picture("red")})
    del desk.redmine.files[max(desk.redmine.files)]
    desk.turn()
    ((_, raw),) = desk.post.taken
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert ({}, []) == (shown(mail), attached(mail))
    assert "See [gone.png]." in mail.get_body(("plain",)).get_content()
    assert "file gone.png: " in desk.story()


def test_what_is_no_picture_is_attached(desk: HelpDesk) -> None:
    """SVG and broken pictures go as files, and the history says why."""
    asked(desk)
    files = {"a.svg": b"<svg onload='x'/>", "b.png": picture("red")[:40]}
    mail = note(desk, "![](a.svg) ![](b.png)", **files)
    assert ({}, ["a.svg", "b.png"]) == (shown(mail), attached(mail))
    assert "picture a.svg: attached only" in desk.story()


def test_pictures_and_files_count_together(desk: HelpDesk) -> None:
    """The limit is that of all files of the note; what does not fit is named."""
    asked(desk)
    small = picture("red")
    desk.change({"mailboxes": {"desk": {"answers": {"max_attachments": 1000}}}})
    mail = note(desk, "![](a.png)", **{"a.png": small, "b.bin": b"x" * 990, "c.bin": b"y" * 100})
    assert (["a.png"], ["c.bin"]) == (list(shown(mail)), attached(mail))
    assert "- b.bin (990B)" in mail.get_body(("plain",)).get_content()


def test_pictures_can_be_switched_off(desk: HelpDesk) -> None:
    """With inline_pictures = false, a picture is attached as it is."""
    asked(desk)
    desk.change({"mailboxes": {"desk": {"answers": {"inline_pictures": False}}}})
    mail = note(desk, "![](a.png)", **{"a.png": picture("red")})
    assert ({}, ["a.png"]) == (shown(mail), attached(mail))


def test_the_agents_name_and_the_time_zone(desk: HelpDesk) -> None:
    """{agent} in from_name is the agent who wrote; the signature names the agent and the team once each; dates are in
    the zone of the settings.
    """
    asked(desk)
    desk.change({"outgoing": {"from_name": "{agent} via Example support", "time_zone": "Asia/Kathmandu"}})
    mail = note(desk, "Please wait.")
    text = mail.get_body(("plain",)).get_content()
    assert mail["From"].startswith("Bob Builder via Example support <")
    assert "Bob Builder\nExample support\n" in text.replace("\r\n", "\n")
    assert (1, 0) == (text.count("Example support"), text.count("{agent}"))


def test_a_download_that_leads_elsewhere_is_not_followed(desk: HelpDesk) -> None:
    """The API key never goes to another host: the mail goes without the file, and the history says why."""
    asked(desk)
    desk.redmine.writes(1, BOB, "See ![](a.png).", **{"a.png": picture("red"), "b.bin": b"x"})
    before = len(desk.redmine.requests)
    for number in desk.redmine.files:
        desk.redmine.files[number] = 302  # type: ignore[assignment]  # the status of its answer
    desk.turn()
    ((_, raw),) = desk.post.taken
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert ({}, []) == (shown(mail), attached(mail))
    assert "redirected elsewhere; not followed" in desk.story()
    downloads = [path for _, path in desk.redmine.requests[before:] if "/attachments/download/" in path]
    assert 2 == len(downloads)


@pytest.mark.fault("A30-10")
def test_the_same_picture_under_two_names(desk: HelpDesk) -> None:
    """A Content-ID names one part: the picture goes once, and is shown twice."""
    asked(desk)
    mail = note(desk, "![](a.png) ![](b.png)", **{"a.png": picture("red"), "b.png": picture("red")})
    numbers = [part["Content-ID"] for part in mail.walk() if part["Content-ID"]]
    assert 1 == len(numbers)
    assert 2 == mail.get_body(("html",)).get_content().count(f"cid:{numbers[0][1:-1]}")
    assert [] == attached(mail)


@pytest.mark.fault("A30-11")
def test_a_note_of_very_many_mentions(desk: HelpDesk) -> None:
    """Redmine is asked for some of them only, each once; the others stay as they are written."""
    asked(desk)
    before = len(desk.redmine.requests)
    mail = note(desk, " ".join(f"user#{number}" for number in range(1000, 1300)) + " user#1000 end")
    assert len(desk.redmine.requests) - before < 120
    assert "end" in mail.get_body(("plain",)).get_content()


def test_pictures_that_do_not_fit_are_not_all_downloaded(desk: HelpDesk) -> None:
    """Where the first pictures do not fit even scaled, no more large ones are downloaded; all are named, and one that
    fits as it is still goes.
    """
    asked(desk)
    small = picture("red", 2)
    desk.change({"mailboxes": {"desk": {"answers": {"max_attachments": len(small)}}}})
    files = {f"p{number}.png": picture("red", 300 + number) for number in range(12)}
    names = " ".join(f"![]({name})" for name in (*files, "small.png"))
    desk.redmine.requests.clear()
    mail = note(desk, names, **files, **{"small.png": small})
    downloads = [path for _, path in desk.redmine.requests if "/attachments/download/" in path]
    assert 4 == len(downloads)
    assert ["small.png"] == list(shown(mail))
    text = mail.get_body(("plain",)).get_content()
    assert 12 == sum(f"- p{number}.png (" in text for number in range(12))


@pytest.mark.fault("A36-7")
def test_the_whole_text_of_a_cut_reply_is_no_file_of_the_limit(desk: HelpDesk) -> None:
    """The file with the whole text of a long reply by mail leaves with its beginning, whatever the limit of files is;
    other files, and one that is only called so, are within the limit.
    """
    desk.change({"mailboxes": {"desk": {"answers": {"max_attachments": 0}}}})
    asked(desk)
    files = {"mail-text.txt": b"All of it.", "other.txt": b"x"}
    mail = note(desk, "The beginning.\n\n[…]", **files)
    assert ["mail-text.txt"] == attached(mail)
    assert "other.txt (1B)" in str(mail.get_body(("plain",)).get_content())
    assert [] == attached(note(desk, "No beginning.", **files))
