"""`init` on real servers: each answer is tried when it is given, and from nothing to three mailboxes that work."""

import datetime as dt
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from redmine_mailbridge.checks.result import settings_checks
from redmine_mailbridge.checks.servers import server_checks
from redmine_mailbridge.cli.main import cli
from redmine_mailbridge.settings.load import load, load_with_origins
from redmine_mailbridge.settings.value_types import reveal
from tests.product import mail
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.relay import Relay

pytestmark = [pytest.mark.real, pytest.mark.fault("N9")]


def init(file: Path, answers: list[str], *flags: str) -> Result:
    return CliRunner().invoke(cli, ["init", "--settings", str(file), *flags], input="\n".join([*answers, ""]))


def formatting(redmine: Redmine) -> list[str]:
    """What is answered about the text formatting, which Redmine does not tell before 6.0."""
    return [redmine.text_format] if redmine.version.startswith("5") else []


def failures(file: Path) -> list[str]:
    """What `check` finds wrong with settings."""
    loaded = load_with_origins(file, {})
    found = [*settings_checks(loaded), *server_checks(loaded.settings)]
    return [f"{one.name}: {one.words}" for one in found if one.ok is False]


def test_wrong_answers_are_asked_again(
    tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str, server: Relay
) -> None:
    """What is wrong is told when it is answered, in the server's own words, and asked again with what was typed; what
    comes of it at the end works: `check` has nothing to add, and the first mail that comes then, before the first pass,
    makes an issue and is acknowledged, while those that lay there stay.
    """
    mailbox.append(mail("Old", "x\n"), mail("Older", "x\n"))
    file = tmp_path / "settings.toml"
    key, port = redmine.admin.key, str(mailbox.server["imap_port"])
    answers = ["http://127.0.0.1:1", f"{redmine.url}/projects/{project}", redmine.url, "a wrong key", key]
    answers += formatting(redmine)
    answers += ["no address", mailbox.address]
    answers += ["", "127.0.0.1", "none", "1", "", "no password"]  # protocol, host, protection, port, name, password
    answers += ["", "", port, "", ""]
    answers += ["", "", "", "", mailbox.password]
    answers += ["now"]
    answers += [f"{project}x", project.upper(), "Bgu", "bug", "accept"]
    answers += ["never", "n", "public_notes", "n", "y"]
    answers += ["127.0.0.1", "none", "1", "", "", str(server.port)]
    result = init(file, [*answers, "n"], "--no-discover")
    assert 0 == result.exit_code, result.output

    said = result.output
    for words in (
        "GET http://127.0.0.1:1/users/current.json: ",
        f"/projects/{project} is a page of Redmine; its address is {redmine.url}",
        "the key belongs to admin, an administrator.",
        "no address: ",
        "The mailbox holds 2 messages",
        f'no project is called "{project}x"',
        'no tracker is called "Bgu", or the key cannot see it, did you mean "',
        "Then no customer would get agents' answers.",
        "The SMTP server needs no login.",
        "The SMTP server accepts mail.",
        "Then no sender can be authenticated",
    ):
        assert words in said, words
    assert ("AUTHENTICATIONFAILED" in said, said.count("Connection refused") > 1) == (True, True)
    assert mailbox.password not in said
    box = load(file, {}).mailboxes[mailbox.address.partition("@")[0]]
    assert (project, "Bug") == (box.issue.project, box.issue.tracker)
    assert isinstance(box.start_from, dt.datetime)
    assert ("accept", mailbox.password) == (box.issue.unknown_sender, reveal(box.password))
    assert ("mail", True, "public_notes") == (box.answers.redmine_users, box.answers.received, box.answers.notes)
    assert [] == failures(file)

    mailbox.deliver(mail("The first", "x\n", sender=f"Kim <kim-{project}@firm.example>", to=mailbox.address))
    done = CliRunner().invoke(cli, ["receive", "--once", "--settings", str(file)])
    assert 0 == done.exit_code, done.output
    assert ["The first"] == [one["subject"] for one in redmine.admin.issues(project)]
    assert [f"kim-{project}@firm.example"] == [recipient for _, recipient, _ in server.taken]


def test_a_second_and_a_third_mailbox(
    tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str, server: Relay
) -> None:
    """`init` goes on to a second mailbox, and `init --add` adds a third: on the servers of the first, with their own
    login; what stands in the file stays as it is.
    """
    file = tmp_path / "settings.toml"
    port = str(mailbox.server["imaps_port"])
    sales, office = (f"{name}-{mailbox.address}" for name in ("sales", "office"))
    answers = [redmine.url, redmine.admin.key, *formatting(redmine)]
    answers += [mailbox.address, "IMAP", "localhost", "", port, "", mailbox.password]
    answers += ["", "", "", mailbox.server["ca_file"], "", ""]  # the certificate is of an authority of the house's own
    answers += ["", project, "", "", "", "n", "", "127.0.0.1", "none", str(server.port)]
    second = ["y", sales, "", mailbox.password, "mx.firm.example", project, "", "", "", "n", ""]
    result = init(file, [*answers, *second, "n"], "--no-discover")
    assert 0 == result.exit_code, result.output
    assert f"Using the servers of {mailbox.address}" in result.output
    text = file.read_text("utf-8") + "# a word of the admin's\n"
    file.write_text(text, "utf-8")

    third = [office, "", mailbox.password, "", project, "", "create", "never", "y", "n"]
    result = init(file, third, "--add")
    assert 0 == result.exit_code, result.output
    assert file.read_text("utf-8").startswith(text.rstrip())
    boxes = load(file, {}).mailboxes
    assert [one.partition("@")[0] for one in (mailbox.address, sales, office)] == list(boxes)
    *answering, silent = boxes.values()
    assert [server.port] * 2 == [one.outgoing.port for one in answering]
    assert ("leave_to_redmine", "create") == (silent.answers.redmine_users, silent.issue.unknown_sender)
    assert {("localhost", mailbox.server["ca_file"])} == {(one.host, str(one.ca_file)) for one in boxes.values()}
    assert [(), ("mx.firm.example",), ()] == [one.reading.trusted_authserv_ids for one in boxes.values()]
    assert [] == failures(file)


def test_a_pop3_mailbox_with_old_mail(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> None:
    """Over POP3, which does not tell when a mail came, what lies there is all or nothing, and what nothing means is
    said; an empty one begins with all that comes.
    """
    mailbox.append(mail("Old", "x\n"))
    empty = Mailbox(mailbox.server, f"empty-{mailbox.address}")
    answers = ["127.0.0.1", "none", str(mailbox.server["pop3_port"]), "", mailbox.password]
    rest = [project, "", "", "never", "y", "n", "n"]
    for box, lying, expected in ((mailbox, ["n"], None), (mailbox, ["y"], "all"), (empty, [], "all")):
        file = tmp_path / f"{box.address}-{expected}" / "settings.toml"
        nobody_vouches = [] if lying else [""]
        given = [redmine.url, redmine.admin.key, *formatting(redmine), box.address, "pop3", *answers, *lying]
        given += [*nobody_vouches, *rest]
        result = init(file, given, "--no-discover")
        assert 0 == result.exit_code, result.output
        assert (expected is None) == ("empty the mailbox first" in result.output)
        assert [expected] == [one.start_from for one in load(file, {}).mailboxes.values()]


def test_who_vouches_is_found_in_the_mails_that_lie_there(
    tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str
) -> None:
    """The name by which the mail server says what it found out about senders is read from its mails, and confirmed by
    Enter; without it `check` names it, and the line to add.
    """
    vouches = b"Authentication-Results: mx.firm.example; dkim=pass header.d=client.example\r\n"
    mailbox.append(*(vouches + mail(f"Old {number}", "x\n") for number in range(5)))
    start = [redmine.url, redmine.admin.key, *formatting(redmine), mailbox.address, "", "127.0.0.1", "none"]
    start += [str(mailbox.server["imap_port"]), "", mailbox.password, "now"]
    rest = [project, "", "", "never", "y", "n", "n"]
    for said, expected in (([""], ("mx.firm.example",)), (["n", ""], ())):
        file = tmp_path / f"{len(said)}" / "settings.toml"
        result = init(file, [*start, *said, *rest], "--no-discover")
        assert 0 == result.exit_code, result.output
        words = 'the mail server "mx.firm.example" reports its check of the sender in 5 of the 5 newest messages'
        assert words in result.output
        (box,) = load(file, {}).mailboxes.values()
        assert expected == box.reading.trusted_authserv_ids
    found = "\n".join(one.words for one in server_checks(load(file, {})))
    assert 'reading.trusted_authserv_ids = ["mx.firm.example"]' in found
