"""Commands at the top of agents' notes: who gets what, who may use them, and what the agents are told."""

from typing import Any

import pytest

from tests.helpdesk import ANNA, BOB, CAROL, HelpDesk, new_mails, text_of, writes
from tests.unit.tasks.update.test_agent_notes import private_notes, received
from tests.unit.tasks.update.test_rule_mail import age

KIM, LEE, BOSS = "kim@client.example", "lee@client.example", "boss@client.example"
ALLOWED = {"mailboxes": {"desk": {"answers": {"command_roles": ["agent"]}}}}


@pytest.fixture
def values() -> dict[str, Any]:
    """Public notes are mailed, and that an issue is closed; nobody may change recipients."""
    return {"mailboxes": {"desk": {"answers": {"received": False, "received_reply": False}}}}


@pytest.fixture
def allowed(desk: HelpDesk) -> HelpDesk:
    """A help desk whose agents may change recipients, with Kim's issue."""
    desk.change(ALLOWED)
    received(desk)
    return desk


def notes(desk: HelpDesk, *texts: str, user: int = BOB) -> list[tuple[str, str]]:
    """An agent writes notes. Return who got mail, each with its first line."""
    for text in texts:
        desk.redmine.writes(1, user, text)
    for _ in range(2):
        desk.turn()
    mails = new_mails(desk)
    assert not [mail for _, mail in mails for word in ("/cc", "/to ", "/uncc", "/requester") if word in text_of(mail)]
    return [(to, text_of(mail).splitlines()[0]) for to, mail in mails]


def test_a_private_note(desk: HelpDesk) -> None:
    """`/private` holds a note back, whoever writes it, and makes it private in Redmine, once; the next note goes."""
    received(desk)
    assert [(KIM, "Press it.")] == notes(desk, "/private He never pays.", "Press it.")
    hidden, public = desk.redmine.issues[1]["journals"][:2]
    assert (True, False) == (hidden["private_notes"], public["private_notes"])
    requests = [path for method, path in desk.redmine.requests if method == "PUT"]
    assert [f"/journals/{hidden['id']}.json"] == requests
    assert f"note {hidden['id']} by Bob Builder: not mailed: it begins with /private" in desk.story()
    assert f"note {hidden['id']} is private now" in desk.story()
    assert [] == private_notes(desk)


def test_a_private_note_that_stays_public(desk: HelpDesk) -> None:
    """Where the bridge may not edit notes, the note is not mailed all the same, and the agents read that it is
    public.
    """
    received(desk)
    desk.redmine.notes_stay = 403
    assert [] == notes(desk, "/private\nHe never pays.")
    (told,) = private_notes(desk)
    assert "begins with /private and was not mailed, but it is public in Redmine" in told
    assert "everyone who sees the issue can read it" in desk.story()


def test_a_private_note_on_which_redmine_fails(desk: HelpDesk) -> None:
    """Where Redmine fails on the note again and again, the agents read once that it is public; one failure is not
    reported, and once it succeeds the note is private.
    """
    received(desk)
    desk.redmine.notes_stay = 500
    desk.redmine.writes(1, BOB, "/private\nHe never pays.")
    with desk.application() as made:
        for reported in (0, 1, 1, 1):
            desk.turn(made)
            assert reported == len(private_notes(desk))
        assert "Redmine fails to change it. The bridge keeps trying" in private_notes(desk)[0]
        desk.redmine.notes_stay = 0
    desk.turn()
    assert desk.redmine.issues[1]["journals"][0]["private_notes"]
    assert 1 == len(private_notes(desk))
    assert [] == new_mails(desk)


def test_a_private_note_with_an_error(desk: HelpDesk) -> None:
    """An error keeps the other commands from being carried out, but the note becomes private all the same."""
    received(desk)
    assert [] == notes(desk, f"/private\n/cc foo\n/cc {BOSS}\nHe never pays.")
    desk.turn()
    assert desk.redmine.issues[1]["journals"][0]["private_notes"]
    (said,) = private_notes(desk)
    assert "/cc: foo is not a mail address" in said
    assert [(KIM, "One.")] == notes(desk, "One.")


@pytest.mark.parametrize("status", [0, 403])
@pytest.mark.parametrize("since", ["deleted", "made private by hand"])
def test_a_private_note_that_needs_no_hiding(desk: HelpDesk, since: str, status: int) -> None:
    """A note that was deleted or made private before the bridge could do it is not reported as public."""
    received(desk)
    desk.redmine.notes_stay = 500
    desk.redmine.writes(1, BOB, "/private\nHe never pays.")
    desk.turn()
    journals = desk.redmine.issues[1]["journals"]
    if since == "deleted":
        del journals[0]
    else:
        journals[0]["private_notes"] = True
    desk.redmine.notes_stay = status
    desk.turn()
    assert [] == [one["notes"] for one in journals if "public" in one["notes"]]
    assert "is private now, or gone" in desk.story()


@pytest.mark.parametrize("status", [None, 5])
@pytest.mark.parametrize("command", ["/nomail", "/private"])
def test_what_is_held_back(desk: HelpDesk, command: str, status: int | None) -> None:
    """A note that is held back is not mailed, and neither is that it closes the issue."""
    received(desk)
    desk.redmine.writes(1, BOB, f"{command}\nFor the record.", status=status)
    assert [] == notes(desk)


@pytest.mark.fault("A33-6")
def test_what_is_held_back_closes_in_silence_where_no_note_is_mailed(desk: HelpDesk) -> None:
    """Where only the closing is mailed, a note that is held back keeps that from the customer, too."""
    received(desk)
    desk.change({"mailboxes": {"desk": {"answers": {"notes": "never"}}}})
    desk.redmine.writes(1, BOB, "/nomail\nFor the record.", status=5)
    assert [] == notes(desk)
    desk.redmine.writes(1, BOB, "", status=2)
    desk.redmine.writes(1, BOB, "Done.", status=5)
    assert [KIM] == [to for to, _ in notes(desk)]


def test_commands_have_no_effect_where_no_note_is_mailed(allowed: HelpDesk) -> None:
    """The note stays public, no one is added, and no private note is written about it, right or wrong."""
    allowed.change({"mailboxes": {"desk": {"answers": {"notes": "never"}}}})
    assert [] == notes(allowed, "/private\nHe never pays.", f"/cc {BOSS}\nOne.", "/cc foo\nTwo.")
    allowed.turn()
    shown = allowed.redmine.issues[1]["journals"]
    assert [(BOB, False)] * 3 == [(one["user"]["id"], one["private_notes"]) for one in shown]
    allowed.change({"mailboxes": {"desk": {"answers": {"notes": "public_notes"}}}})
    allowed.turn()
    assert [(KIM, "Three.")] == notes(allowed, "Three.")


def test_no_mail(desk: HelpDesk) -> None:
    """`/nomail` holds a note back, which stays public."""
    received(desk)
    assert [] == notes(desk, "/nomail\nFor the record.")
    assert not desk.redmine.issues[1]["journals"][0]["private_notes"]
    assert "not mailed: it begins with /nomail; commands: /nomail" in desk.story()


def test_cc_lasts(allowed: HelpDesk) -> None:
    """Who is added gets this and the following notes; who is removed gets none any more, though the customer names
    them again.
    """
    assert [(KIM, "One."), (BOSS, "One.")] == notes(allowed, f"/cc The Boss <{BOSS}>\n\nOne.")
    assert [(KIM, "Two."), (BOSS, "Two.")] == notes(allowed, "Two.")
    allowed.mail(writes(KIM, "Re: [#1] Printer", "And?", Cc=f"{BOSS}, {LEE}"))
    assert [(KIM, "Three."), (BOSS, "Three."), (LEE, "Three.")] == notes(allowed, "Three.")
    assert [(KIM, "Four."), (LEE, "Four.")] == notes(allowed, f"/uncc {BOSS.upper()}\nFour.")
    assert [(KIM, "Five."), (LEE, "Five.")] == notes(allowed, "Five.")
    assert [] == private_notes(allowed)
    assert f"mailed to {KIM}, {BOSS}; commands: /cc {BOSS}" in allowed.story()


def test_who_is_added_may_answer(allowed: HelpDesk) -> None:
    """A reply of a person whom an agent has added reaches the issue."""
    notes(allowed, f"/cc {BOSS}\nOne.")
    allowed.mail(writes(BOSS, "Re: [#1] Printer", "I agree."))
    allowed.turn()
    assert [1] == sorted(allowed.redmine.issues)
    assert "I agree." in allowed.redmine.issues[1]["journals"][-1]["notes"]


def test_cc_counts_where_the_customers_does_not(allowed: HelpDesk) -> None:
    """Without `answers.cc`, and above `max_cc`, those whom an agent names come first."""
    allowed.change({"mailboxes": {"desk": {"answers": {"cc": False}}}})
    assert [(KIM, "One."), (BOSS, "One.")] == notes(allowed, f"/cc {BOSS}\nOne.")
    allowed.change({"mailboxes": {"desk": {"answers": {"cc": True, "max_cc": 1}}}})
    allowed.mail(writes(KIM, "Re: [#1] Printer", "And?", Cc=LEE))
    assert [(KIM, "Two."), (BOSS, "Two.")] == notes(allowed, "Two.")


def test_commands_alone(allowed: HelpDesk) -> None:
    """A note that holds nothing but commands is not mailed; they count."""
    assert [] == notes(allowed, f"/cc {BOSS}")
    assert [(KIM, "One."), (BOSS, "One.")] == notes(allowed, "One.")


def test_another_requester(allowed: HelpDesk) -> None:
    """Who is made the requester gets this note and the following ones, and answers; the person before gets nothing."""
    first, second = f"/requester Lee <{LEE}>\nOne.", "Two."
    assert [(LEE, "One."), (LEE, "Two.")] == notes(allowed, first, second)
    with allowed.application() as made:
        made.issue_sync.refresh(reread_all=True)
    assert [(LEE, "Three.")] == notes(allowed, "Three.")
    assert f"the requester of #1 is {LEE} instead of {KIM}, set by Bob Builder (note 1)" in allowed.story()
    allowed.mail(writes(LEE, "Re: [#1] Printer", "Thanks."))
    allowed.turn()
    assert "Thanks." in allowed.redmine.issues[1]["journals"][-1]["notes"]


def test_the_quotation_is_not_for_another_requester(allowed: HelpDesk) -> None:
    """The words of the requester before are not quoted to the new one."""
    allowed.redmine.writes(1, BOB, f"/requester {LEE}\nOne.")
    allowed.turn()
    ((_, mail),) = new_mails(allowed)
    assert "It burns." not in text_of(mail)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"/requestor {LEE}\nOne.", '/requestor is not a command, did you mean "/requester"?'),
        (f"/cc {BOSS}\n/uncc foo\nOne.", "/uncc: foo is not a mail address"),
        ("/cc desk@example.com\nOne.", "desk@example.com: an address of the bridge itself"),
        ("/privat\nHe never pays.", '/privat is not a command, did you mean "/private"?'),
    ],
)
def test_an_error(allowed: HelpDesk, text: str, told: str) -> None:
    """A note with an error is not mailed and changes nothing; a private note says why, once."""
    assert [] == notes(allowed, text)
    (note,) = private_notes(allowed)
    assert f"Note 1 was not mailed: `{told}`" == note
    assert [(KIM, "Two.")] == notes(allowed, "Two.")
    assert [note] == private_notes(allowed)


@pytest.mark.parametrize("text", [f"/to {LEE}\nOne.", f"/cc {BOSS}\n/to {LEE}\nOne."])
def test_third_parties(allowed: HelpDesk, text: str) -> None:
    """A note to third parties reaches neither the requester nor those in Cc; a private note says so."""
    allowed.redmine.writes(1, BOB, text, status=5)
    assert [] == notes(allowed)
    (told,) = private_notes(allowed)
    assert f"Note 1 was not mailed: `/to {LEE}: notes are not mailed to third parties`" == told


def refused(desk: HelpDesk, user: int = BOB) -> None:
    """A person without the right names others: nobody else gets mail, and a note that is not for all is not mailed."""
    assert [(KIM, "One.")] == notes(desk, f"/cc {BOSS}\nOne.", user=user)
    for text in (f"/to {BOSS}\nTwo.", f"/requester {BOSS}\nTwo.", f"/uncc {BOSS}\nTwo."):
        assert [] == notes(desk, text, user=user)
    assert 4 == len(private_notes(desk))
    assert all("may change who gets mail" in note or "may not change" in note for note in private_notes(desk))
    assert [(KIM, "Three.")] == notes(desk, "Three.", user=user)


def test_nobody_by_default(desk: HelpDesk) -> None:
    """Without a setting, nobody changes who gets mail."""
    received(desk)
    refused(desk)


@pytest.mark.parametrize("settings", [{"command_roles": ["Manager"]}, {"command_groups": ["Help desk"]}])
def test_neither_role_nor_group(desk: HelpDesk, settings: dict[str, Any]) -> None:
    """Who has another role, or is in another group, may not."""
    received(desk)
    desk.redmine.groups = {"Help desk": (ANNA,)}
    desk.change({"mailboxes": {"desk": {"answers": settings}}})
    refused(desk)


def test_a_customer_with_an_account_may_not(allowed: HelpDesk) -> None:
    """A customer with an account who is no member of the project counts as an agent of another's issue, and may not."""
    refused(allowed, CAROL)


def test_a_locked_agent(allowed: HelpDesk) -> None:
    """A right that is gone when the note is decided is none."""
    allowed.redmine.locked.add(BOB)
    refused(allowed)


def test_a_group(desk: HelpDesk) -> None:
    """Members of a group may, in any letters."""
    received(desk)
    desk.redmine.groups = {"Others": (), "Help desk": (BOB,)}
    desk.change({"mailboxes": {"desk": {"answers": {"command_groups": ["help DESK"]}}}})
    assert [(KIM, "One."), (BOSS, "One.")] == notes(desk, f"/cc {BOSS}\nOne.")


def test_a_note_that_another_person_edited(allowed: HelpDesk) -> None:
    """What someone without the right has written into an agent's note is not the agent's command."""
    number = allowed.redmine.writes(1, BOB, f"/cc {BOSS}\nOne.")
    allowed.redmine.journal(number)["updated_by"] = {"id": CAROL, "name": "Carol Customer"}
    assert [(KIM, "One.")] == notes(allowed)


def test_a_customers_mail_has_no_commands(allowed: HelpDesk) -> None:
    """What a customer writes at the top of a mail is text: in the issue, in a note, in any mail about it."""
    allowed.mail(writes(KIM, "Re: [#1] Printer", f"/cc {BOSS}\n/requester {LEE}\n/private\nHello"))
    allowed.turn()
    entry = allowed.redmine.issues[1]["journals"][-1]
    assert ("/requester" in entry["notes"], False) == (True, entry["private_notes"])
    allowed.redmine.writes(1, BOB, "One.")
    allowed.turn()
    assert [KIM] == [to for to, _ in new_mails(allowed)]
    assert [] == private_notes(allowed)


def test_an_agents_mail_has_commands(allowed: HelpDesk) -> None:
    """A proven agent's mail may begin with commands: they count as in a note, and are in no mail."""
    allowed.change({"mailboxes": {"desk": {"issue": {"trust": "authenticated", "agent_replies": "mail"}}}})
    text = f"/cc The_Boss <{BOSS}>\n\nOne."
    allowed.mail(writes("anna@example.com", subject="Re: [#1] Printer", text=text))
    assert [(KIM, "One."), (BOSS, "One.")] == notes(allowed)
    assert [(KIM, "Two."), (BOSS, "Two.")] == notes(allowed, "Two.")


@pytest.mark.parametrize("command", ["/private", "/cc foo"])
def test_a_reminder_does_not_quote_what_was_held_back(desk: HelpDesk, command: str) -> None:
    """A note that was held back is no question that the customer has received, though its closing was mailed."""
    received(desk)
    desk.redmine.notes_stay = 403  # so that the note stays public
    desk.redmine.writes(1, BOB, f"{command}\nHe never pays.", status=5)
    desk.turn()
    new_mails(desk)
    desk.redmine.writes(1, BOB, "", status=2)
    age(desk, 7 * 86_400)
    days = {"name": "days", "when": {"waiting_for": "customer", "agent_silent": "3d"}, "then": {"mail": "reminder"}}
    desk.change({"rules": [days]})
    for _ in range(3):
        desk.turn()
    assert not [mail for _, mail in new_mails(desk) if "pays" in mail.as_string()]


@pytest.mark.fault("A33-1")
@pytest.mark.parametrize("by", ["note", "page"])
def test_the_requester_before_gets_nothing(allowed: HelpDesk, by: str) -> None:
    """A requester who was replaced is not in Cc, and not quoted, though the newest mail is theirs, or names them; nor
    those whom only they name. An agent who names them by `/cc` means it, from then on.
    """
    allowed.mail(writes(KIM, "Re: [#1] Printer", "It smokes.", Cc=BOSS))
    assert [(KIM, "Zero."), (BOSS, "Zero.")] == notes(allowed, f"/cc {KIM}\nZero.")
    if by == "note":
        allowed.redmine.writes(1, BOB, f"/requester {LEE}\nOne.")
    else:
        with allowed.application() as made:
            assert made.store.requesters.set(1, LEE, "", "root") == 1
        allowed.redmine.writes(1, BOB, "One.")
    for text in ("It smokes still.", "It burns again."):
        allowed.turn()
        mails = new_mails(allowed)
        assert [LEE] == [to for to, _ in mails]
        assert not [mail for _, mail in mails if KIM in mail.as_string() or "smokes" in text_of(mail)]
        allowed.mail(writes(KIM, "Re: [#1] Printer", text, Cc=BOSS))
        allowed.turn()
        allowed.redmine.writes(1, BOB, "More.")
    allowed.mail(writes(LEE, "Re: [#1] Printer", "Thanks.", Cc=KIM))
    assert [(LEE, "More."), (LEE, "Two.")] == notes(allowed, "Two.")
    assert [(LEE, "Three."), (KIM, "Three.")] == notes(allowed, f"/cc {KIM}\nThree.")
    assert [(LEE, "Four."), (KIM, "Four.")] == notes(allowed, "Four.")


@pytest.mark.fault("A33-1")
def test_the_requester_before_stays_in_cc_if_the_note_says_so(allowed: HelpDesk) -> None:
    """A note may replace the requester and keep the one before in Cc."""
    assert [(LEE, "One."), (KIM, "One.")] == notes(allowed, f"/requester {LEE}\n/cc {KIM}\nOne.")
    assert [(LEE, "Two."), (KIM, "Two.")] == notes(allowed, "Two.")


@pytest.mark.fault("A33-2")
@pytest.mark.parametrize("commands", [f"/uncc {KIM.upper()}", f"/requester {LEE}\n/uncc {LEE}"])
def test_the_requester_is_not_in_cc(allowed: HelpDesk, commands: str) -> None:
    """A note that removes the requester from Cc is mailed to no one: its writer does not mean it for them."""
    assert [] == notes(allowed, f"{commands}\nHe never pays.")
    (told,) = private_notes(allowed)
    assert "is the requester, who gets each note" in told
    assert [(LEE, "One.")] == notes(allowed, f"/requester {LEE}\n/uncc {KIM}\nOne.")


@pytest.mark.fault("A33-3")
def test_an_older_note_that_is_published_later(allowed: HelpDesk) -> None:
    """What a newer note says of a person stays, though an older one is decided after it."""
    number = allowed.redmine.writes(1, BOB, f"/cc {BOSS}, {LEE}\nOne.")
    allowed.redmine.journal(number)["private_notes"] = True
    assert [(KIM, "Two.")] == notes(allowed, f"/uncc {BOSS}\nTwo.")
    allowed.redmine.journal(number)["private_notes"] = False
    with allowed.application() as made:
        made.issue_sync.refresh(reread_all=True)
    assert [(KIM, "One."), (BOSS, "One."), (LEE, "One.")] == notes(allowed)
    assert [(KIM, "Three."), (LEE, "Three.")] == notes(allowed, "Three.")


@pytest.mark.parametrize(("later", "mails"), [(BOSS, [(BOSS, "Three.")]), (LEE, [(LEE, "Two."), (LEE, "Three.")])])
def test_a_field_that_was_changed_after_the_command(desk: HelpDesk, later: str, mails: list[tuple[str, str]]) -> None:
    """The newest change of the requester counts, although the bridge sees both at once: a note whose `/requester` is
    older than the change of the field is not mailed, the agents read that, and the field stays.
    """
    desk.change(ALLOWED)
    desk.change({"mailboxes": {"desk": {"issue": {"requester_field": "Requester"}}}})
    received(desk)
    desk.redmine.writes(1, BOB, f"/requester {LEE}\nTwo.")
    desk.redmine.names(1, ANNA, later, "Three.")
    for _ in range(3):
        desk.turn()
    assert mails == [(to, text_of(mail).splitlines()[0]) for to, mail in new_mails(desk)]
    words = ["another requester than" in note for note in private_notes(desk)]
    assert ([True] if later == BOSS else []) == words
    assert later == desk.redmine.issues[1]["custom_fields"][-1]["value"]
