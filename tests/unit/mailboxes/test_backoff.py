"""What servers say when they want to be left alone, and what is done about it."""

from pathlib import Path

import pytest

from redmine_mailbridge.errors import MailboxUnreachable
from redmine_mailbridge.mailboxes.imap.mailbox import ImapMailbox
from redmine_mailbridge.mailboxes.pop3.mailbox import Pop3Mailbox
from redmine_mailbridge.model.mail_state import pause_after
from redmine_mailbridge.model.mailbox import MailboxConfig, MailProtocol, Security
from redmine_mailbridge.util.backoff import LONGEST, hint, jittered, throttled
from tests.scripted_server import scripted

EXCHANGE = "Request is throttled. Suggested Backoff Time: 92415 milliseconds"
SELECTED = "* 1 EXISTS\n* OK [UIDVALIDITY 7] x\n* OK [UIDNEXT 2] x\n{tag} OK [READ-WRITE] done\n"
ANSWERS = {
    "CAPABILITY": "* CAPABILITY IMAP4rev1 MOVE UIDPLUS\n{tag} OK done\n",
    "LIST": '* LIST () "/" INBOX\n* LIST () "/" Processed\n{tag} OK done\n',
    "SELECT": SELECTED,
    "UID SEARCH": "* SEARCH 1\n{tag} OK done\n",
    "UID FETCH 1 (UID RFC822": "* 1 FETCH (UID 1 RFC822.SIZE 20)\n{tag} OK done\n",
}


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (EXCHANGE, 92.415),
        ("NO [LIMIT] Too many requests, retry after 30 seconds", 30.0),
        ("-ERR [LOGIN-DELAY] minimum time between mail checks violation (one login every 900 seconds)", 900.0),
        ("Suggested Backoff Time: 999999999 milliseconds", LONGEST),
        ("NO [UNAVAILABLE] try again later", None),
        ("", None),
    ],
)
def test_hints(said: str, seconds: float | None) -> None:
    """A server's own word on how long to wait is understood, up to a day."""
    assert seconds == hint(f"mailbox support (mail.example.com:993): {said}")


def test_pauses_grow() -> None:
    """Each failure in a row doubles the pause, from a quarter of a minute to half an hour."""
    assert [15, 30, 60, 120, 240, 480, 960, 1800, 1800] == [pause_after(tries) for tries in range(1, 10)]


def test_pauses_differ() -> None:
    """Pauses lie around what was asked for, and are not all the same."""
    pauses = {jittered(100.0) for _ in range(50)}
    assert 1 < len(pauses)
    assert all(80.0 <= pause <= 120.0 for pause in pauses)


def test_a_throttled_mail_is_not_unreadable(tmp_path: Path) -> None:
    """A server that throttles a FETCH, or a move, has the whole mailbox wait: no mail is blamed for it."""
    answers = ANSWERS | {"UID FETCH 1 (UID BODY": f"{{tag}} BAD {EXCHANGE}\n", "UID MOVE": f"{{tag}} NO {EXCHANGE}\n"}
    with scripted(answers) as server:
        config = MailboxConfig(
            name="x", host="127.0.0.1", port=server.port, username="me", password="secret", security=Security.NONE
        )
        box = ImapMailbox(config)
        (listed,) = box.list_new("INBOX")
        with pytest.raises(MailboxUnreachable, match="Suggested Backoff Time") as fetching:
            list(box.fetch([listed], tmp_path, max_size=1000))
        with pytest.raises(MailboxUnreachable, match="Suggested Backoff Time"):
            box.file(listed.location, "Processed")
        box.close()
    assert MailboxUnreachable is type(fetching.value)
    assert throttled(str(fetching.value))


def test_pop3_that_allows_a_login_now_and_then() -> None:
    """POP3's LOGIN-DELAY is told with the delay that the server names, which is a hint."""
    capable = "+OK\nUIDL\nLOGIN-DELAY 900\nSASL PLAIN\n.\n"
    answers = {"CAPA": capable, "AUTH PLAIN": "+ \n", "AG1LAHNLY3JLDA==": "-ERR [LOGIN-DELAY] too soon\n"}
    with scripted(answers, "+OK ready", tagged=False) as server:
        config = MailboxConfig(
            name="x", host="127.0.0.1", port=server.port, username="me", password="secret",
            security=Security.NONE, protocol=MailProtocol.POP3,
        )  # fmt: skip
        with pytest.raises(MailboxUnreachable, match="too soon") as refused:
            Pop3Mailbox(config).connect()
    assert 900.0 == hint(str(refused.value))
