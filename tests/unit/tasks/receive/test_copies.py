"""Which mails are one: copies in several mailboxes, through lists, forged ones, and devices that say the same again."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.raw_mails.retention import forget_raw
from tests.product import mail
from tests.unit.tasks.boxes import Boxes, open_boxes

ALARM = b"From: ups@device.example\r\nTo: desk@example.com\r\nSubject: On battery\r\n\r\nMains failed.\r\n"
PASSED = "mx.example.com; dmarc=pass header.from=elsewhere.example"


@pytest.fixture
def boxes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Boxes]:
    """No mailbox yet."""
    with open_boxes(tmp_path, monkeypatch) as made:
        yield made


def minutes_ago(boxes: Boxes, uid: int, minutes: float, host: str = "desk") -> None:
    """Given a mail on a server, have it received so long ago."""
    kept = boxes.server(host).folders["INBOX"].mails[uid]
    kept.received_at -= dt.timedelta(minutes=minutes)


def proving(boxes: Boxes, name: str = "desk", **keys: Any) -> Any:
    """Add a mailbox whose server proves senders. Return its server."""
    reading = {"trusted_authserv_ids": ["mx.example.com"]}
    return boxes.add(name, reading=reading, issue={"trust": "authenticated"}, **keys)


def proven(raw: bytes) -> bytes:
    """Given a mail, return it as the mail server hands it out that has proven its sender."""
    return f"Authentication-Results: {PASSED}\r\n".encode() + raw


# ---------------------------------------------------------------------- several mailboxes


@pytest.mark.parametrize(
    "turned_away",
    [
        pytest.param("ignore", marks=pytest.mark.fault("I13")),
        "refuse",
        pytest.param("hold", marks=pytest.mark.fault("I13")),
    ],
)
def test_what_one_mailbox_turns_away_another_takes(boxes: Boxes, turned_away: str) -> None:
    """A mail that the first mailbox ignores, refuses or holds becomes an issue by the second one's own rules."""
    first = boxes.add("strict", issue={"unknown_sender": turned_away})
    second = boxes.add("open")
    both = mail("To both", to="list@example.com")
    first.append(both)
    boxes.receive("strict")
    second.append(both)
    boxes.receive("open")
    assert ["To both"] == boxes.subjects()


def test_the_first_mailbox_turns_it_away_after_an_outage(boxes: Boxes) -> None:
    """A copy that waited for the first mail, whose end was not known yet, is decided by its own mailbox then."""
    first, second = boxes.add("strict"), boxes.add("open")
    both = mail("To both", to="list@example.com")
    first.append(both)
    boxes.fake.answers = [(502, "")]
    boxes.receive("strict")
    second.append(both)
    boxes.receive("open")
    assert [State.WRITE_PENDING, State.STORED] == boxes.states()
    boxes.fake.answers = [(422, "")] * 2
    boxes.receive("strict")
    boxes.receive("open")
    assert [State.REJECTED, State.DONE] == boxes.states()
    assert ["To both"] == boxes.subjects()


def test_one_issue_of_a_mail_to_two_mailboxes(boxes: Boxes) -> None:
    """Where the first mailbox made an issue, the copy in the second makes none, whenever it is read."""
    first, second = boxes.add("one"), boxes.add("two")
    both = mail("To both", to="one@example.com, two@example.com")
    first.append(both)
    second.append(both)
    boxes.receive()
    boxes.receive()
    assert ["To both"] == boxes.subjects()
    assert (1, 1) == (len(first.contents("Processed")), len(second.contents("Processed")))


@pytest.mark.parametrize("first", ["trusting", "strict"])
def test_mailboxes_that_believe_differently(boxes: Boxes, first: str) -> None:
    """A mail in a mailbox that believes everybody and in one that wants proof is one issue, whichever is read first."""
    trusting = boxes.add("trusting", issue={"trust": "any"})
    strict = boxes.add("strict", issue={"trust": "authenticated"})
    both = mail("To both", to="list@example.com")
    trusting.append(both)
    strict.append(both)
    boxes.receive(*(("trusting", "strict") if first == "trusting" else ("strict", "trusting")))
    assert ["To both"] == boxes.subjects()


def test_a_held_mail_that_was_taken_elsewhere(boxes: Boxes) -> None:
    """A mail that is held makes no second issue when it is accepted after another mailbox took its copy."""
    first = boxes.add("strict", issue={"unknown_sender": "hold"})
    second = boxes.add("open")
    both = mail("To both", to="list@example.com")
    first.append(both)
    second.append(both)
    boxes.receive("strict", "open")
    assert [State.HELD, State.DONE] == boxes.states()
    with boxes.fake.application() as made:
        made.store.retry(1, accept=True)
    boxes.receive()
    assert ["To both"] == boxes.subjects()
    assert "a copy of mail 2 (#1)" in (boxes.rows()[0].reason or "")


def test_copies_in_one_mailbox_end_alike(boxes: Boxes) -> None:
    """A second copy that waited for the first is refused with it, and asks Redmine nothing of its own."""
    boxes.add("desk").append(*[mail("Twice", message_id="<twice@example.com>")] * 2)
    boxes.fake.answers = [(502, "")]
    boxes.receive()
    boxes.fake.answers = [(422, "")] * 2
    boxes.receive()
    boxes.receive()
    assert [State.REJECTED, State.REJECTED] == boxes.states()
    assert 3 == boxes.fake.writes
    assert "a copy of mail 1" in (boxes.rows()[1].reason or "")


# ---------------------------------------------------------------------- no Message-ID


@pytest.mark.fault("I15")
@pytest.mark.parametrize("trace", [b"", b"Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n"])
def test_an_alarm_that_comes_again(boxes: Boxes, trace: bytes) -> None:
    """Two alarms of a device without Message-ID, with no Date or one that stands still, are two, minutes apart."""
    boxes.add("desk").append(trace + ALARM, trace + ALARM)
    minutes_ago(boxes, 1, 5)
    boxes.receive()
    boxes.receive()
    assert ["On battery", "On battery"] == boxes.subjects()


@pytest.mark.fault("I15")
def test_an_alarm_that_comes_again_through_a_relay(boxes: Boxes) -> None:
    """The same with a Received field each, and in passes of their own."""
    server = boxes.add("desk")
    for number in (1, 2):
        server.append(f"Received: by mx.example.com with SMTP id {number}\r\n".encode() + ALARM)
        if number == 1:
            minutes_ago(boxes, 1, 5)
        boxes.receive()
    assert ["On battery", "On battery"] == boxes.subjects()


def test_an_alarm_that_is_delivered_twice(boxes: Boxes) -> None:
    """The same alarm in two mailboxes at the same minute, by two ways, is one issue."""
    first, second = boxes.add("one"), boxes.add("two")
    first.append(b"Received: by mx1.example.com with SMTP id 1\r\n" + ALARM)
    second.append(b"Received: by mx2.example.com with SMTP id 2\r\n" + ALARM)
    minutes_ago(boxes, 1, 0.5, "one")
    boxes.receive()
    boxes.receive()
    assert ["On battery"] == boxes.subjects()


@pytest.mark.parametrize("moved", ["renewed", "appended"])
def test_an_alarm_under_another_uid(boxes: Boxes, moved: str) -> None:
    """An alarm that was read is known again when all UIDs change, and when a copy of it is put back much later."""
    server = boxes.add("desk", after_success="keep")
    server.append(b"Received: by mx.example.com with SMTP id 1\r\n" + ALARM)
    minutes_ago(boxes, 1, 60)
    boxes.receive()
    if moved == "renewed":
        server.renew("INBOX")
    else:
        server.append(server.contents()[0][2])
    boxes.receive()
    assert ["On battery"] == boxes.subjects()


# ---------------------------------------------------------------------- forged


@pytest.mark.fault("V14")
def test_a_forgery_that_comes_first(boxes: Boxes) -> None:
    """A mail whose sender is proven is handled though a look-alike with its Message-ID came before it."""
    server = proving(boxes)
    genuine = mail("Order 7")
    server.append(genuine)
    boxes.receive()
    server.append(proven(genuine))
    boxes.receive()
    assert ["Order 7", "Order 7"] == boxes.subjects()
    with boxes.fake.application() as made:
        lines = [step.line for step in made.message_queries.steps(2)]
    assert any("which is less believable" in line for line in lines)


@pytest.mark.fault("V14")
def test_a_known_forgery_that_comes_first(boxes: Boxes) -> None:
    """The same where the forgery is known as one and the genuine mail is merely not proven."""
    server = proving(boxes)
    genuine = mail("Order 7")
    server.append(b"Authentication-Results: mx.example.com; dmarc=fail header.from=elsewhere.example\r\n" + genuine)
    boxes.receive()
    server.append(genuine)
    boxes.receive()
    assert 2 == len(boxes.fake.issues)


@pytest.mark.parametrize("trust", ["internal", "authenticated"])
def test_a_forgery_of_a_colleague_s_mail_that_comes_first(boxes: Boxes, trust: str) -> None:
    """The mark that only our own servers set proves a mail, where the settings say so: without it, one is no copy."""
    senders = {"internal_domains": ["elsewhere.example"], "internal_mark": "X-Ours: yes"}
    server = boxes.add("desk", issue={"trust": trust}, senders=senders)
    genuine = mail("Order 7")
    server.append(genuine)
    boxes.receive()
    server.append(b"X-Ours: yes\n" + genuine)
    boxes.receive()
    assert (2 if trust == "internal" else 1) == len(boxes.fake.issues)


def test_a_forgery_that_comes_second(boxes: Boxes) -> None:
    """A look-alike that says the same as the genuine mail is its copy; one that says anything else is a mail."""
    server = proving(boxes)
    genuine = mail("Order 7", "Pay to account 1.\n", message_id="<order@elsewhere.example>")
    server.append(proven(genuine))
    boxes.receive()
    server.append(genuine, mail("Order 7", "Pay to account 2.\n", message_id="<order@elsewhere.example>"))
    boxes.receive()
    assert 2 == len(boxes.fake.issues)
    assert ["account 1", "account 2"] == sorted(one["description"].split("to ")[1][:9] for one in boxes.fake.issues)


def test_proof_that_is_only_noticed_later(boxes: Boxes) -> None:
    """A mail that is read again, byte for byte, after the settings have come to trust the server, is a copy."""
    server = boxes.add("desk", after_success="keep")
    server.append(proven(mail("Once")))
    boxes.receive()
    proving(boxes, after_success="keep")
    server.renew("INBOX")
    boxes.receive()
    assert ["Once"] == boxes.subjects()


def test_replies_belong_to_the_mail_that_is_proven(boxes: Boxes) -> None:
    """A reply to a Message-ID that a forgery bore first becomes a note of the genuine mail's issue."""
    server = proving(boxes)
    genuine = mail("Order 7", message_id="<order@elsewhere.example>")
    server.append(genuine)
    boxes.receive()
    server.append(proven(genuine))
    boxes.receive()
    server.append(proven(mail("Re: Order 7", "More.\n", In_Reply_To="<order@elsewhere.example>")))
    boxes.receive()
    assert [0, 1] == [len(one["journals"]) for one in boxes.fake.issues]


# ---------------------------------------------------------------------- lists and gateways


DATE = "Mon, 02 Mar 2026 10:00:00 +0100"
TEXT = "Our printer on the second floor prints blank pages since Monday.\nWhat can we do?\n"


def said(subject: str = "Printer", text: str = TEXT, **headers: str) -> bytes:
    """A mail of one Message-ID, with this subject and text."""
    raw = mail(subject, text, message_id="<printer@elsewhere.example>", **headers)
    return b"\n".join(b"Date: " + DATE.encode() if one.startswith(b"Date:") else one for one in raw.split(b"\n"))


LISTED = said(
    "[staff] Printer",
    TEXT + "\n_______\nstaff mailing list\nhttps://lists.example.com/staff\n",
    List_Id="<staff.lists.example.com>",
)
BANNER = said("[EXT] Printer", "CAUTION: this mail comes from outside. Do not click.\n\n" + TEXT)


@pytest.mark.fault("I15")
@pytest.mark.parametrize("other", [LISTED, BANNER], ids=["list", "banner"])
@pytest.mark.parametrize("first", ["direct", "changed"])
def test_one_mail_directly_and_changed_on_the_way(boxes: Boxes, other: bytes, first: str) -> None:
    """A mail that came directly, and with a list's footer or a gateway's banner, is one issue, whichever is first."""
    server = boxes.add("desk")
    server.append(*([said(), other] if first == "direct" else [other, said()]))
    boxes.receive()
    boxes.receive()
    assert 1 == len(boxes.fake.issues)
    assert [State.DONE, State.DONE] == boxes.states()
    with boxes.fake.application() as made:
        lines = [step.line for step in made.message_queries.steps(2)]
    assert "copy of mail 1 with text added by a list or gateway" in lines


def test_in_two_mailboxes_one_of_which_is_on_the_list(boxes: Boxes) -> None:
    """The same when another mailbox reads the list's copy."""
    boxes.add("desk").append(said())
    boxes.add("staff").append(LISTED)
    boxes.receive()
    boxes.receive()
    assert 1 == len(boxes.fake.issues)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (said(text="The lift is stuck.\n"), "another text"),
        (said(text=TEXT + "And " + "this is quite another matter. " * 40), "another text"),
        (said("Lift"), "another subject"),
        (said(files={"plan.pdf": b"%PDF-1.4"}), "other files"),
        (said(sender="Eve <eve@elsewhere.example>"), "another author"),
        (said().replace(b"10:00:00", b"11:00:00"), "another date"),
    ],
)
def test_another_mail_with_the_same_message_id(boxes: Boxes, other: bytes, why: str) -> None:
    """A mail with the Message-ID of another and content of its own is an issue of its own, and its record says so."""
    boxes.add("desk").append(said(), other)
    boxes.receive()
    assert 2 == len(boxes.fake.issues)
    with boxes.fake.application() as made:
        lines = [step.line for step in made.message_queries.steps(2)]
    assert f"same Message-ID as mail 1, but {why}: not a copy" in lines


@pytest.mark.fault("A11-E1")
@pytest.mark.parametrize(
    "stub",
    [
        said(text="\n"),
        said(text="Our printer on the second floor\n"),
        said(text="What can we do?\n", List_Id="<staff.lists.example.com>"),
        said(""),
    ],
    ids=["empty", "beginning", "end, by a list", "no subject"],
)
def test_a_stub_that_comes_first(boxes: Boxes, stub: bytes) -> None:
    """A mail of which somebody has sent a few words before, under its Message-ID and Date, is no copy of these."""
    boxes.add("desk").append(stub, said())
    boxes.receive()
    assert 2 == len(boxes.fake.issues)
    assert ("Printer", True) == (boxes.fake.issues[1]["subject"], "second floor" in boxes.fake.issues[1]["description"])


@pytest.mark.fault("A11-E1")
def test_a_small_file_behind_a_look_alike_of_a_list(boxes: Boxes) -> None:
    """A list's marks on a look-alike that came first do not make a small file of the genuine mail a list's footer."""
    note = said()[:-1] + b"\n"
    genuine = said(files={"note.txt": b"Pay to account 1."}).replace(b"application/octet-stream", b"text/plain")
    boxes.add("desk").append(b"List-Id: <staff.lists.example.com>\n" + note, genuine)
    boxes.receive()
    assert 2 == len(boxes.fake.issues)


def test_a_short_mail_with_a_long_footer(boxes: Boxes) -> None:
    """A list's footer may be longer than the mail, where a line is drawn above it."""
    short = said(text="Thank you!\n")
    footer = "\n_______\nstaff mailing list, for all who work on the second floor\nhttps://lists.example.com/staff\n"
    by_list = said("[staff] Printer", "Thank you!\n" + footer, List_Id="<staff.lists.example.com>")
    boxes.add("desk").append(short, by_list)
    boxes.receive()
    assert 1 == len(boxes.fake.issues)


def test_a_list_that_takes_files_away(boxes: Boxes) -> None:
    """Where a list has taken the files away, its copy is one of the whole mail, and the whole mail none of its copy."""
    whole = said(files={"plan.pdf": b"%PDF-1.4"})
    boxes.add("desk").append(whole, LISTED)
    boxes.receive()
    assert 1 == len(boxes.fake.issues)
    boxes.add("second").append(LISTED.replace(b"printer@", b"other@"), whole.replace(b"printer@", b"other@"))
    boxes.receive()
    assert 3 == len(boxes.fake.issues)


def test_many_mails_with_one_message_id(boxes: Boxes) -> None:
    """A program that gives all its mails one Message-ID gets an issue for each."""
    boxes.add("desk").append(*(said(text=f"Parcel {number} has arrived.\n") for number in range(12)))
    boxes.receive()
    assert 12 == len(boxes.fake.issues)


# ---------------------------------------------------------------------- dragged back


@pytest.mark.fault("B11")
def test_dragged_back_when_its_bytes_are_forgotten(boxes: Boxes) -> None:
    """A mail that was set aside in doubt, and whose bytes are forgotten, is fetched anew once, and nothing spins."""
    server = boxes.add("desk")
    server.append(mail("In doubt"), mail("Good"))
    boxes.fake.always = lambda body: (502, "") if "In doubt" in body else None
    for _ in range(6):
        boxes.receive()
        server.append(mail("Good"))
    assert State.FAILED is boxes.states()[0]
    with boxes.fake.application() as made:
        assert forget_raw(made.store, older_than=made.store.clock() + 10)
    boxes.fake.always = lambda _body: None
    ((uid, _flags, raw),) = server.contents("Failed")
    server.remove(uid, "Failed")
    server.append(raw)
    boxes.receive()
    boxes.receive()
    assert 1 == boxes.subjects().count("In doubt")
    assert {State.DONE} == set(boxes.states())
    with boxes.fake.application() as made:
        assert made.message_queries.next_due(["desk"]) is None


def parts(boundary: str) -> bytes:
    """A mail as one server writes it; another, or another protocol, chooses other boundaries."""
    raw = said(files={"plan.pdf": b"%PDF-1.4"})
    (own,) = [one.split(b'"')[1] for one in raw.split(b"\n") if b"boundary=" in one]
    return raw.replace(own, boundary.encode())


@pytest.mark.parametrize(
    ("forgotten", "seconds"),
    [
        pytest.param(True, 0, marks=pytest.mark.fault("A11-E2")),
        (True, 1), (True, 1.5), (True, 90), (False, 0), (False, 90),
    ],
)  # fmt: skip
def test_an_account_that_moves_after_the_bytes_are_forgotten(boxes: Boxes, forgotten: bool, seconds: float) -> None:
    """Mails that stay in their folder are copies on another server that writes their parts otherwise, as long as the
    bytes are known; later where they brought the moment of their receipt along. A new mail is none."""
    old = boxes.add("desk", after_success="keep")
    old.append(parts("one"))
    minutes_ago(boxes, 1, 60)
    boxes.receive()
    if forgotten:
        with boxes.fake.application() as made:
            assert 1 == forget_raw(made.store, older_than=9e12)
    new = boxes.server("elsewhere")
    new.append(parts("two"))
    received_at = old.folders["INBOX"].mails[1].received_at
    new.folders["INBOX"].mails[1].received_at = received_at + dt.timedelta(seconds=seconds)
    boxes.change("desk", host="elsewhere", username="elsewhere@example.com")
    boxes.receive()
    assert (2 if forgotten and seconds >= 1.5 else 1) == len(boxes.fake.issues)


@pytest.mark.parametrize("seconds", [0, 90])
def test_an_account_that_moves_while_the_bytes_of_a_mail_cannot_be_read(boxes: Boxes, seconds: int) -> None:
    """A file that the disk does not give back is like one that is forgotten: the moment of receipt tells a copy."""
    old = boxes.add("desk", after_success="keep")
    old.append(parts("one"))
    minutes_ago(boxes, 1, 60)
    boxes.receive()
    with boxes.fake.application() as made:
        (file,) = made.store.raw.root.rglob("*.eml")
    file.unlink()
    file.mkdir()
    boxes.server("elsewhere").append(parts("two"))
    received_at = old.folders["INBOX"].mails[1].received_at
    boxes.server("elsewhere").folders["INBOX"].mails[1].received_at = received_at + dt.timedelta(seconds=seconds)
    boxes.change("desk", host="elsewhere", username="elsewhere@example.com")
    boxes.receive()
    assert (2 if seconds else 1) == len(boxes.fake.issues)


# ---------------------------------------------------------------------- the same bytes, read otherwise


def test_a_copy_of_a_mail_whose_bytes_cannot_be_read(boxes: Boxes) -> None:
    """It has the same content as far as is known: whether it says more than that one cannot be told."""
    server = boxes.add("desk", after_success="keep")
    server.append(said())
    minutes_ago(boxes, 1, 60)
    boxes.receive()
    with boxes.fake.application() as made:
        (file,) = made.store.raw.root.rglob("*.eml")
    file.unlink()
    file.mkdir()
    server.append(b"Received: from a by b; Mon, 02 Mar 2026 10:00:00 +0100\n" + said())
    boxes.receive()
    assert 1 == len(boxes.fake.issues)
    assert [State.DONE, State.DONE] == boxes.states()


@pytest.mark.fault("A11-E3")
def test_a_look_alike_whose_words_nobody_reads(boxes: Boxes) -> None:
    """A mail with the genuine one's header fields and body that is read otherwise, since it says that it is of another
    kind, takes nothing away from the genuine one; that one's own copies are copies."""
    genuine = said()
    kind = next(one for one in genuine.split(b"\n") if one.lower().startswith(b"content-type:"))
    forged = genuine.replace(kind, b"Content-Type: application/x-nothing")
    assert forged != genuine
    boxes.add("desk").append(forged, genuine)
    boxes.receive()
    assert 2 == len(boxes.fake.issues)
    assert "second floor" in boxes.fake.issues[1]["description"]
    boxes.server("desk").append(b"Received: from a by b; Mon, 02 Mar 2026 10:00:00 +0100\n" + genuine, genuine)
    boxes.receive()
    boxes.receive()
    assert 2 == len(boxes.fake.issues)
