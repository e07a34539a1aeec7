"""Answers: what they say, how they are marked, what holds them back, and how they leave."""

import datetime as dt
import email
import email.policy
import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from redmine_mailbridge.errors import LockLost, SendingDeferred, SendingRefused
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.outgoing.message import FromIdentity, OutgoingMessage
from redmine_mailbridge.outgoing.rate_limits import LIMITS, held_back
from redmine_mailbridge.outgoing.smtp import ConsoleTransport, SmtpTransport
from redmine_mailbridge.outgoing.smtp_config import SmtpConfig
from redmine_mailbridge.outgoing.template_variables import EXAMPLES
from redmine_mailbridge.outgoing.templates import Templates, check_templates
from tests.servers.processes import free_port

NOW = dt.datetime(2026, 5, 20, 10, 0, tzinfo=dt.UTC)
KIM = Address("Kim Grün", "kim@client.example")


def letter(**more: object) -> OutgoingMessage:
    values: dict[str, object] = {
        "kind": "received",
        "sender": FromIdentity("support@example.com", "Support"),
        "to": KIM,
        "subject": "[support #1] Größe",
        "text": "Grüße\n",
        "message_id": "own@example.com",
        "in_reply_to": "theirs@client.example",
        "references": ("first@client.example",),
        "loop_value": "instance-1",
    }
    return OutgoingMessage(**(values | more))  # type: ignore[arg-type]  # a table of values


def parsed(content: bytes) -> email.message.EmailMessage:
    return email.message_from_bytes(content, policy=email.policy.default)  # type: ignore[return-value]  # policy's class


def test_an_answer_is_marked_so_that_no_machine_replies() -> None:
    """RFC 3834's mark, Exchange's, and our own against loops stand in every answer."""
    mail = parsed(letter().as_bytes(NOW))
    found = {name: mail[name] for name in ("Auto-Submitted", "X-Auto-Response-Suppress", "X-Mailbridge-Loop")}
    assert {
        "Auto-Submitted": "auto-replied",
        "X-Auto-Response-Suppress": "All",
        "X-Mailbridge-Loop": "instance-1",
    } == found


def test_an_answer_continues_the_conversation() -> None:
    """Mail programs show question and answer as one thread."""
    mail = parsed(letter().as_bytes(NOW))
    assert "<theirs@client.example>" == mail["In-Reply-To"]
    assert "<first@client.example> <theirs@client.example>" == mail["References"]
    assert "<own@example.com>" == mail["Message-ID"]


@pytest.mark.parametrize("evil", ["Hi\r\nBcc: all@example.com", "Hi\nX-Evil: 1", "\x00Hi\x1b[31m"])
def test_no_header_can_be_smuggled_in(evil: str) -> None:
    """A subject and a name of a stranger stay within their header."""
    mail = parsed(letter(subject=evil, to=Address(evil, "kim@client.example")).as_bytes(NOW))
    assert (None, None) == (mail["Bcc"], mail["X-Evil"])
    assert "kim@client.example" == mail["To"].addresses[0].addr_spec


@pytest.mark.parametrize(
    "address",
    ["a..b@x.example", "=?utf-8?q?x?=@x.example", "k\u200bm@x.example",
     "a b@x.example", "a.@x", "a@x,b@y", "<a@x>", "a@@x", "@x", "a@", "a\x00@x",
     "()@x", "a;b@x", "a@x\r\nBcc: b@y", "a" * 400 + "@x", "", "x", "a@" + "ü" * 80 + ".example"],
)  # fmt: skip
def test_an_address_that_can_stand_in_no_mail(address: str) -> None:
    """What a stranger wrote as an address, and is none, gets no mail, and harms none."""
    from redmine_mailbridge.mail.mime.mailable import mailable

    assert mailable(Address("x", address)) is None


@pytest.mark.parametrize(
    ("address", "ascii_"),
    [("Kim@Client.example", "Kim@Client.example"), ("a@bücher.example", "a@xn--bcher-kva.example"),
     ("a@straße.example", "a@xn--strae-oqa.example"), ("küm@x.example", "küm@x.example"),
     ('"a b"@x.example', '"a b"@x.example'), ("a+b=c@[192.0.2.1]", "a+b=c@[192.0.2.1]")],
)  # fmt: skip
def test_an_address_as_it_stands_in_a_mail(address: str, ascii_: str) -> None:
    """Domains beyond ASCII go in IDNA 2008; all else as it was written."""
    from redmine_mailbridge.mail.mime.mailable import mailable

    found = mailable(Address("Kim", address))
    assert found is not None
    assert ("Kim", ascii_) == (found.name, found.address)
    assert letter(to=found).as_bytes(NOW)


@pytest.mark.parametrize("language", ["en", "de", "fr", "de-AT"])
def test_every_template_of_ours_can_be_used(language: str) -> None:
    """Each kind renders in each language that we have, and in English where we have none."""
    assert [] == check_templates(Templates(), language)


def test_german_is_german() -> None:
    """A language is taken where it is there, its region or not."""
    assert "Guten Tag" in Templates().render("received", "de-AT", EXAMPLES["received"]).text
    assert "Hello" in Templates().render("received", "fr", EXAMPLES["received"]).text


def test_the_admins_template_wins_and_ours_fills_in(tmp_path: Path) -> None:
    """What is copied and edited is used; other kinds stay ours."""
    folder = tmp_path / "received" / "en"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("{{ issue.id }}!")
    (folder / "body.txt").write_text("mine")
    (folder / "body.html").write_text("<p>{{ requester.name }}</p>")
    variables = {**EXAMPLES["received"]} | {"requester": {"name": "<script>", "address": "x@example.com"}}
    rendered = Templates(tmp_path).render("received", "en", variables)
    assert ("4711!", "mine", "<p>&lt;script&gt;</p>") == (rendered.subject, rendered.text, rendered.html)
    assert "Hello" in Templates(tmp_path).render("refused", "en", EXAMPLES["refused"]).text


@pytest.mark.parametrize("limit", LIMITS, ids=str)
def test_each_limit_holds_back(limit: object) -> None:
    """At each limit the next answer stays, and one below it goes."""
    for reached in (True, False):
        most = limit.most - (not reached)  # type: ignore[attr-defined]  # a Limit
        why = held_back(lambda by, s, m=most: m if (by, s) == (limit.by, limit.seconds) else 0, refusal=True)  # type: ignore[attr-defined,misc]  # likewise
        assert reached == (why is not None)


def test_the_refusal_limit_is_for_refusals_only() -> None:
    """Two answers a day of one kind are fine; two refusals are not."""
    assert held_back(lambda by, _s: 5 if by == "refusal" else 0, refusal=False) is None


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{% if false %}{{ isue.id }}{% endif %}", "isue does not exist here"),
        ("{% for x in history %}{{ note.txt }}{% endfor %}", "note.txt does not exist here"),
        ('{{ issue["colour"] }}', "issue.colour does not exist here"),
        ("{{ budget.left }}", "budget does not exist here"),
        ("{{ project.nme }}", "project.nme does not exist here"),
        ("{% for x in history %}{% if x.text == '?' %}{{ x.autor }}{% endif %}{% endfor %}", "x.autor does not exist"),
        ("{% for x in history|reverse %}{{ x.txt }}{% endfor %}", "x.txt does not exist here"),
    ],
)
def test_a_variable_that_there_is_not_is_found_wherever_it_stands(tmp_path: Path, source: str, says: str) -> None:
    """`check` reads the whole template, also what would not be rendered today."""
    folder = tmp_path / "answer" / "en"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("x")
    (folder / "body.txt").write_text(f"first\n{source}")
    problems = check_templates(Templates(tmp_path), "en")
    assert 1 == len(problems)
    assert "body.txt, line 2" in problems[0]
    assert says in problems[0]


@pytest.mark.parametrize(
    "source",
    ['{{ fields["No such field"] }}', "{% set x = issue %}{{ x.id }}",
     "{% for one in history %}{{ one.text }}{% endfor %}", "{{ issue.subject.upper() }}",
     "{{ project }} {{ project.name }}", "{{ requester.name or requester.address }}",
     "{{ note.left_out|join(', ') }} {{ issue.subject|replace('a', 'b')|indent(2) ~ '!' }}",
     "{% for x in history %}{{ loop.index }}/{{ loop.length }}{% if loop.last %}.{% endif %}{% endfor %}"],
)  # fmt: skip
def test_what_there_is_may_be_used(tmp_path: Path, source: str) -> None:
    """Custom fields by any name, names of the template's own, and what texts can do."""
    folder = tmp_path / "answer" / "en"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("x")
    (folder / "body.txt").write_text(source)
    assert [] == check_templates(Templates(tmp_path), "en")


def test_a_template_that_fails_at_sending_is_replaced_by_ours(tmp_path: Path) -> None:
    """Whatever an admin's template meets, the mail goes out."""
    folder = tmp_path / "received" / "en"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("x")
    (folder / "body.txt").write_text("{{ nothing.here }}")
    assert "Hello Kim Client" in Templates(tmp_path).safely("received", "en", EXAMPLES["received"]).text


class Server:
    """What an SMTP server does with a recipient, by the recipient's name."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, bytes]] = []

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _o: object) -> str:  # noqa: N802 - aiosmtpd's name
        if address.startswith("never"):
            return "550 5.1.1 no such user here"
        if address.startswith("later"):
            return "451 4.7.1 greylisted, try again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        self.mails.append((envelope.rcpt_tos[0], envelope.content or b""))
        return "250 2.0.0 queued"


@pytest.fixture
def smtp() -> Iterator[tuple[Server, SmtpConfig]]:
    def right(
        _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: LoginPassword
    ) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"support", "größe".encode()), handled=False)

    handler = Server()
    port = free_port()
    controller = Controller(handler, "127.0.0.1", port, authenticator=right, auth_require_tls=False)
    controller.start()
    yield handler, SmtpConfig("127.0.0.1", port, "none", timeout=10.0)
    controller.stop()


def test_a_mail_is_handed_over(smtp: tuple[Server, SmtpConfig]) -> None:
    """What the server accepted is what was composed."""
    handler, config = smtp
    content = letter().as_bytes(NOW)
    with SmtpTransport(config) as transport:
        transport.send("support@example.com", "kim@client.example", content)
    assert [("kim@client.example", content)] == handler.mails


@pytest.mark.parametrize(
    ("recipient", "kind", "words"),
    [("never@client.example", SendingRefused, "550 5.1.1"), ("later@client.example", SendingDeferred, "451 4.7.1")],
)
def test_for_good_and_for_now_are_told_apart(
    smtp: tuple[Server, SmtpConfig], recipient: str, kind: type[Exception], words: str
) -> None:
    """5xx is for good, 4xx for now, each in the server's words; the connection goes on."""
    handler, config = smtp
    with SmtpTransport(config) as transport:
        with pytest.raises(kind, match=words):
            transport.send("support@example.com", recipient, b"Subject: x\r\n\r\nx")
        transport.send("support@example.com", "kim@client.example", b"Subject: x\r\n\r\nx")
    assert 1 == len(handler.mails)


def test_a_refused_login_is_told_without_the_password(smtp: tuple[Server, SmtpConfig]) -> None:
    """The server's words come through, the password does not."""
    _, config = smtp
    wrong = SmtpConfig(config.host, config.port, "none", "support", "hunter2", timeout=10.0)
    with pytest.raises(SendingDeferred) as error, SmtpTransport(wrong):
        pass
    assert "535" in str(error.value)
    assert "hunter2" not in str(error.value) + repr(wrong)


def test_a_password_beyond_ascii_logs_in(smtp: tuple[Server, SmtpConfig]) -> None:
    """Passwords are UTF-8, as people choose them."""
    handler, config = smtp
    right = SmtpConfig(config.host, config.port, "none", "support", "größe", timeout=10.0)
    with SmtpTransport(right) as transport:
        transport.send("support@example.com", "kim@client.example", b"Subject: x\r\n\r\nx")
    assert 1 == len(handler.mails)


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_tls_is_demanded(smtp: tuple[Server, SmtpConfig], security: str) -> None:
    """A server without TLS gets no mail and no password."""
    handler, config = smtp
    safe = SmtpConfig(config.host, config.port, security, "support", "größe", timeout=3.0)  # type: ignore[arg-type]  # one of them
    with pytest.raises(SendingDeferred), SmtpTransport(safe):
        pass
    assert [] == handler.mails


def test_the_console_shows_the_mail() -> None:
    """For trying out, a mail is printed as people would read it."""
    stream = io.StringIO()
    with ConsoleTransport(stream) as transport:
        transport.send("support@example.com", "kim@client.example", letter(html="<p>x</p>").as_bytes(NOW))
    assert "Grüße" in stream.getvalue()


def test_the_end_of_a_mail_is_checked(smtp: tuple[Server, SmtpConfig]) -> None:
    """A mail whose lease ends while it is sent has no end, and no server takes it; the next one has its own."""
    handler, config = smtp
    ends, content = list[bool](), letter().as_bytes(NOW)

    def check() -> None:
        ends.append(True)
        if len(ends) == 1:
            raise LockLost("it has ended")

    with SmtpTransport(replace(config, before_end=check)) as transport:
        for _ in range(2):
            with suppress(LockLost):
                transport.send("support@example.com", "kim@client.example", content)
    assert ([True, True], [("kim@client.example", content)]) == (ends, handler.mails)
