"""What a server's no is about: the mail, or the server itself; and that all adapters tell the two apart alike."""

from pathlib import Path

import pytest

from redmine_mailbridge.errors import LoginRefused, MailboxUnreachable, MailUnreadable
from redmine_mailbridge.mailboxes.factory import open_mailbox
from redmine_mailbridge.model.mailbox import Listed, Location, MailboxConfig, MailProtocol, Security
from tests.scripted_server import Reply, scripted

OF_ITSELF = [
    "[UNAVAILABLE] Backend is away",
    "[unavailable] UID FETCH Server error while fetching messages",
    "[LIMIT] FETCH Rate limit hit",
    "[SERVERBUG] Internal error occurred. Refer to server log for more information. [2026-01-31 10:00:00]",
    "[INUSE] Mailbox is in use",
    "[CONTACTADMIN] Call us",
    "[CORRUPTION] index",
    "[TEMPFAIL] UID FETCH Temporary failure on server [CODE: WBL]",
    "[ALERT] Too many simultaneous connections. (Failure)",
    "[OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)",
    "System Error (Failure)",
    "Server Unavailable. 15",
    "The service is not available",
    "FETCH Server error - Please try again later",
    "Request is throttled. Suggested Backoff Time: 299961 milliseconds",
    "-ERR [SYS/TEMP] Temporary system problem. Please try again later.",
    "-ERR [SYS/PERM] the disk of the server is gone",
    "-ERR [IN-USE] mailbox already in use by pid 12345",
    "-ERR [LOGIN-DELAY] minimum time between mail checks violation",
    "-ERR Server Unavailable. 21",
    "-ERR maildrop already locked",
    "-ERR Exceeded the login limit for a 15 minute period. Reduce the frequency of requests to the POP3 server.",
    "[UNAVAILABLE] Temporary authentication failure.",
]
OF_SOMETHING_ELSE = [
    "",
    "no such message",
    "-ERR virus found",
    "-ERR [AUTH] the password is wrong, try again",
    "[AUTHENTICATIONFAILED] Invalid credentials, please try again later",
    "-ERR authentication failed, please try again",
    "LOGIN failed.",
    "-ERR Logon failure: unknown user name or bad password.",
    "[OVERQUOTA] Quota exceeded (mailbox for user is full)",
    "[NOPERM] temporarily, you may not",
    "[TRYCREATE] Mailbox does not exist",
    "[UNKNOWN-CTE] cannot decode",
    "cannot open the message file",
    "User is authenticated but not connected.",
    "Some messages could not be FETCHed (Failure)",
]
SELECTED = "* 9 EXISTS\n* OK [UIDVALIDITY 7] x\n* OK [UIDNEXT 12] x\n{tag} OK [READ-WRITE] done\n"
IMAP: dict[str, Reply] = {
    "CAPABILITY": "* CAPABILITY IMAP4rev1 MOVE UIDPLUS\n{tag} OK done\n",
    "LIST": '* LIST () "/" INBOX\n* LIST () "/" Done\n{tag} OK done\n',
    "SELECT": SELECTED,
    "UID SEARCH": "* SEARCH 9\n{tag} OK done\n",
}
POP3: dict[str, Reply] = {
    "CAPA": "+OK\nUSER\nUIDL\n.\n",
    "USER": "+OK\n",
    "PASS": "+OK\n",
    "LIST": "+OK\n1 40\n.\n",
    "UIDL": "+OK\n1 9\n.\n",
    "QUIT": "+OK\n",
}


@pytest.mark.parametrize("said", OF_ITSELF)
def test_of_itself(said: str) -> None:
    """Words of these kinds are about the server."""
    from redmine_mailbridge.mailboxes.refusals import about_server

    assert about_server(said)


@pytest.mark.parametrize("said", OF_SOMETHING_ELSE)
def test_of_something_else(said: str) -> None:
    """Words of these kinds are about a mail, a folder or a login."""
    from redmine_mailbridge.mailboxes.refusals import about_server

    assert not about_server(said)


def test_codes() -> None:
    """A response code is what stands in brackets at the beginning, up to the first blank or slash."""
    from redmine_mailbridge.mailboxes.refusals import code_of

    said = ["[UNAVAILABLE] x", "-ERR [SYS/TEMP/X] x", "NO [LIMIT] x", "[COPYUID 7 9 1] x", "x [LIMIT]", "[LIMIT"]
    assert ["UNAVAILABLE", "SYS", "LIMIT", "COPYUID", "", ""] == [code_of(one) for one in said]


def config(port: int, protocol: MailProtocol) -> MailboxConfig:
    """Given a port, return the configuration of a mailbox there."""
    return MailboxConfig(
        name="x", host="127.0.0.1", port=port, username="me", password="hunter22", security=Security.NONE,
        protocol=protocol, timeout=5.0,
    )  # fmt: skip


def fetching(protocol: MailProtocol, said: str, spool: Path) -> tuple[MailboxUnreachable, list[str]]:
    """Given a server's words to the fetch of the one mail, return the error that they become, and what was asked."""
    is_imap = protocol is MailProtocol.IMAP
    answers = IMAP | {"UID FETCH": f"{{tag}} NO {said}\n"} if is_imap else POP3 | {"RETR": f"-ERR {said}\n"}
    with scripted(answers, "* OK ready" if is_imap else "+OK ready", tagged=is_imap) as server:
        box = open_mailbox(config(server.port, protocol))
        validity = "7" if is_imap else "pop3"
        with pytest.raises(MailboxUnreachable) as error:
            list(box.fetch([Listed(Location("x", "INBOX", validity, "9"), 20)], spool, max_size=1000))
        box.close()
    return error.value, server.lines


@pytest.mark.parametrize("protocol", [MailProtocol.IMAP, MailProtocol.POP3])
@pytest.mark.parametrize(
    ("said", "of_server"), [("[UNAVAILABLE] away", True), ("[SYS/TEMP] away", True), ("no such message", False)]
)
def test_a_mail_that_is_not_handed_out(protocol: MailProtocol, said: str, of_server: bool, tmp_path: Path) -> None:
    """The error names the mail, and says whether the server spoke of itself; the connection stands."""
    error, _ = fetching(protocol, said, tmp_path)
    assert isinstance(error, MailUnreadable)
    assert ("9", of_server, True) == (error.uid, error.of_server, error.answered)


@pytest.mark.parametrize("protocol", [MailProtocol.IMAP, MailProtocol.POP3])
def test_a_server_that_wants_to_be_left_alone(protocol: MailProtocol, tmp_path: Path) -> None:
    """A server that throttles a fetch names no mail, and is asked nothing more."""
    error, lines = fetching(protocol, "[LIMIT] Rate limit hit", tmp_path)
    assert MailboxUnreachable is type(error)
    assert error.answered
    assert lines[-1].startswith(("UID FETCH", "LOGOUT", "RETR", "QUIT"))


@pytest.mark.fault("I8")
@pytest.mark.parametrize("said", ["System Error (Failure)", "[ALERT] Too many simultaneous connections. (Failure)"])
def test_a_login_that_the_server_cannot_take_now(said: str) -> None:
    """A login that the server refuses for a reason of its own is no wrong password, without a code too."""
    with scripted(IMAP | {"LOGIN": f"{{tag}} NO {said}\n"}) as server, pytest.raises(MailboxUnreachable):
        open_mailbox(config(server.port, MailProtocol.IMAP)).connect()
    refused: dict[str, Reply] = {"PASS": f"-ERR {said}\n"}
    with scripted(POP3 | refused, "+OK", tagged=False) as server, pytest.raises(MailboxUnreachable):
        open_mailbox(config(server.port, MailProtocol.POP3)).connect()


def test_a_wrong_password_is_told_as_one() -> None:
    """A refused password is told as that, although the server would have it tried again."""
    refused: dict[str, Reply] = {"LOGIN": "{tag} NO Login failed, please try again\n"}
    with scripted(IMAP | refused) as server, pytest.raises(LoginRefused, match="try again"):
        open_mailbox(config(server.port, MailProtocol.IMAP)).connect()


@pytest.mark.fault("I8")
@pytest.mark.parametrize("said", ["[INUSE] wait", "[UNAVAILABLE] wait", "System Error (Failure)"])
def test_a_move_that_the_server_cannot_do_now(said: str) -> None:
    """A move that the server refuses for a reason of its own is an outage, not a refusal of this mail's."""
    with scripted(IMAP | {"UID MOVE": f"{{tag}} NO {said}\n"}) as server:
        box = open_mailbox(config(server.port, MailProtocol.IMAP))
        with pytest.raises(MailboxUnreachable, match="UID 9"):
            box.file(Location("x", "INBOX", "7", "9"), "Done")
        box.close()
