"""What IMAP and POP3 servers may say to a login: never the secret again, and never without an end."""

import json
from base64 import b64encode

import pytest

from redmine_mailbridge.errors import MailboxError
from redmine_mailbridge.mailboxes import factory
from redmine_mailbridge.model.mailbox import LoginChoice, MailboxConfig, MailProtocol, Security
from tests.scripted_server import Reply, ScriptedServer, scripted

SECRET = "hunter22"
TOKEN = "ya29." + "T0ken-" * 200
IMAP: dict[str, Reply] = {
    "CAPABILITY": "* CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 AUTH=LOGIN AUTH=NTLM\n{tag} OK done\n",
    "AUTHENTICATE": "+ \n",
}
POP3: dict[str, Reply] = {"CAPA": "+OK\nSASL PLAIN XOAUTH2 LOGIN NTLM\n.\n", "AUTH": "+ \n", "QUIT": "+OK\n"}


def refused(server: ScriptedServer, protocol: MailProtocol, *, token: str = "", login: str = "plain") -> str:
    """Log in to a server that refuses it. Return the error."""
    config = MailboxConfig(
        name="other", protocol=protocol, host="127.0.0.1", port=server.port, username="me", password=SECRET,
        security=Security.NONE, timeout=5.0, token=(lambda: token) if token else None,
        login=LoginChoice.AUTO if token else LoginChoice(login),
    )  # fmt: skip
    mailbox = factory.open_mailbox(config)
    try:
        with pytest.raises(MailboxError) as caught:
            mailbox.connected()
    finally:
        mailbox.close()
    return str(caught.value)


def parts(secret: str) -> set[str]:
    """Each five characters of a secret, plain and in base64."""
    forms = (secret, *(b64encode(b"\0" * shift + secret.encode()).decode()[3:-3] for shift in range(3)))
    return {form[at : at + 5] for form in forms for at in range(len(form) - 4)}


def shown(text: str, secret: str) -> list[str]:
    """Which parts of a secret an error shows."""
    return sorted(part for part in parts(secret) if part in text)


@pytest.mark.fault("A18-1")
@pytest.mark.parametrize("before", [0, 330, 385, 393])
def test_the_line_of_the_login_is_repeated(before: int) -> None:
    """A server that repeats the line of the login, at whatever place in its words, has none of the password shown."""
    padding = "x" * before
    with scripted(IMAP | {"AG1L": lambda line: f"{{idle}} NO {padding} {SECRET} {line} ?\n"}) as server:
        assert [] == shown(refused(server, MailProtocol.IMAP), SECRET)
    with scripted(POP3 | {"AG1L": lambda line: f"-ERR {padding} {SECRET} {line} ?\n"}, "+OK", tagged=False) as server:
        assert [] == shown(refused(server, MailProtocol.POP3), SECRET)


@pytest.mark.fault("A18-1")
def test_a_goodbye_that_repeats_the_password() -> None:
    """A server that says goodbye with the password in its words has none of it shown."""
    answers = {"CAPABILITY": "* CAPABILITY IMAP4rev1\n{tag} OK done\n", "LOGIN": f"* BYE {SECRET} is wrong\n* OK\n"}
    with scripted(answers) as server:
        text = refused(server, MailProtocol.IMAP, login="auto")
    assert ("is wrong" in text, []) == (True, shown(text, SECRET))


@pytest.mark.fault("A18-1")
@pytest.mark.parametrize("name", ["status", "scope", "said"])
def test_an_error_that_repeats_a_token(name: str) -> None:
    """A token, longer than what is shown of a server's words, is not shown in part when the error repeats it."""
    error = b64encode(json.dumps({name: f"of {TOKEN}", "of": b64encode(TOKEN.encode()).decode()}).encode()).decode()
    imap = IMAP | {"AUTHENTICATE": "+ \n", "DXNL": f"+ {error}\n", "": "{idle} NO no\n"}
    with scripted(imap) as server:
        assert [] == shown(refused(server, MailProtocol.IMAP, token=TOKEN), TOKEN)
    with scripted(POP3 | {"DXNL": f"+ {error}\n", "": "-ERR no\n"}, "+OK", tagged=False) as server:
        assert [] == shown(refused(server, MailProtocol.POP3, token=TOKEN), TOKEN)


@pytest.mark.fault("A18-2")
def test_an_error_of_control_characters() -> None:
    """A server's error is one line that no terminal obeys, be its characters written out or escaped in JSON."""
    error = b64encode(b'{"said": "\x1b[2J\r\nok", "scope": "\\u001b[31m\\nmail"}').decode()
    with scripted(IMAP | {"DXNL": f"+ {error}\n", "": "{idle} NO no\n"}) as server:
        text = refused(server, MailProtocol.IMAP, token="t")
    assert (True, True) == (text.isprintable(), "mail" in text)


@pytest.mark.fault("A18-3")
def test_lines_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never ends its answer is left, also where the library waits for a challenge or a list."""
    for client in ("imap", "pop3"):
        monkeypatch.setattr(f"redmine_mailbridge.mailboxes.{client}.client.MOST_LINES", 500)
    endless = "* OK I am thinking\n" * 2000
    for answers in (IMAP | {"AUTHENTICATE": endless}, {"CAPABILITY": endless}):
        with scripted(answers) as server:
            assert "no end" in refused(server, MailProtocol.IMAP)
    with scripted(POP3 | {"CAPA": "+OK\n" + "X-MORE\n" * 2000}, "+OK", tagged=False) as server:
        assert "no end" in refused(server, MailProtocol.POP3)


def test_challenges_without_an_end() -> None:
    """A server that goes on after the login was cancelled is left, and the error names the mailbox."""
    with scripted(IMAP | {"": "+ \n"}) as server:
        assert "mailbox other" in (text := refused(server, MailProtocol.IMAP, login="login"))
        assert "without an end" in text
    with scripted(POP3 | {"": "+ \n"}, "+OK", tagged=False) as server:
        assert "mailbox other" in (text := refused(server, MailProtocol.POP3, login="login"))
        assert "without an end" in text


@pytest.mark.fault("A18-4")
@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        b"N",
        b"NTLMSSP\0",
        b"NTLMSSP\0\x02\0\0\0",
        b"NTLMSSP\0\x09\0\0\0" + bytes(40),
        b"NTLMSSP\0\x02\0\0\0" + b"\xff" * 60,
    ],
)
def test_odd_challenges_of_ntlm(challenge: bytes) -> None:
    """A challenge that is none of NTLM's ends the login with a refusal, not with a fault of ours."""
    pytest.importorskip("spnego")
    said = b64encode(challenge).decode()
    with scripted(IMAP | {"TLRM": f"+ {said}\n", "*": "{idle} BAD cancelled\n", "": "{idle} NO no\n"}) as server:
        assert "NTLM: " in refused(server, MailProtocol.IMAP, login="ntlm")
    with scripted(POP3 | {"TLRM": f"+ {said}\n", "": "-ERR no\n"}, "+OK", tagged=False) as server:
        assert "NTLM: " in refused(server, MailProtocol.POP3, login="ntlm")


@pytest.mark.fault("A18-5")
def test_words_in_place_of_a_challenge() -> None:
    """An IMAP server that says "go ahead" in place of the empty challenge gets the login, as POP3's and SMTP's do."""
    with scripted(IMAP | {"AUTHENTICATE": "+ Go ahead\n", "AG1L": "{idle} OK welcome\n"}) as server:
        config = MailboxConfig(
            name="other", host="127.0.0.1", port=server.port, username="me", password=SECRET,
            security=Security.NONE, timeout=5.0, login=LoginChoice("plain"),
        )  # fmt: skip
        mailbox = factory.open_mailbox(config)
        try:
            assert "PLAIN" == mailbox.connected().mechanism
        finally:
            mailbox.close()
