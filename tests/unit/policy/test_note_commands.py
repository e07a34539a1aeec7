"""The commands at the top of an agent's note: what counts, what does not, and what the agent is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redmine_mailbridge.mail.parse import parse as read_mail
from redmine_mailbridge.model.mail import Address, ReadingOptions, TextFormat
from redmine_mailbridge.policy.note_commands import MOST_ADDRESSES, NoteCommands, parse, without_private
from tests import growth

KIM, LEE, BOSS = "kim@c.example", "lee@c.example", "boss@c.example"
KIM_CLIENT = Address("Kim Client", KIM)


def people(*addresses: str) -> tuple[Address, ...]:
    """These addresses, without names."""
    return tuple(Address("", address) for address in addresses)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"/cc {KIM}\nHello", NoteCommands(cc=people(KIM), text="Hello")),
        (f"/cc {KIM}\r\n\r\nHello", NoteCommands(cc=people(KIM), text="Hello")),
        (f"\n \n/to {KIM}, {LEE}\n\n/cc {BOSS}\nHello", NoteCommands(people(KIM, LEE), people(BOSS), text="Hello")),
        (f"/uncc {KIM}\n/requester Kim Client <{LEE}>",
         NoteCommands(uncc=people(KIM), requester=Address("Kim Client", LEE))),
        (f"/CC: {KIM}\nHello", NoteCommands(cc=people(KIM), text="Hello")),
        (f"/cc {KIM}\n/cc {KIM.upper()} Kim Client <{KIM}>", NoteCommands(cc=(KIM_CLIENT,))),
        (f"**/cc** {KIM}\nHello", NoteCommands(cc=people(KIM), text="Hello")),
        (f"\\/cc {KIM}\nHello", NoteCommands(cc=people(KIM), text="Hello")),
        (f"\ufeff/cc {KIM}\nHello", NoteCommands(cc=people(KIM), text="Hello")),
        (f"- /cc {KIM}\n- /private\nHello", NoteCommands(cc=people(KIM), private=True, text="Hello")),
        (f'<p>/cc <a href="mailto:{KIM}">{KIM}</a></p>\r\n\r\n<p>Hello</p>',
         NoteCommands(cc=people(KIM), text="<p>Hello</p>")),
        (f"<p>/cc {KIM}<br />\r\n/nomail<br />\r\nHello</p>",
         NoteCommands(cc=people(KIM), nomail=True, text="<p>Hello</p>")),
        ("/private", NoteCommands(private=True)),
        ("/Private: He never pays.", NoteCommands(private=True, text="He never pays.")),
        ("`/private`\nHello", NoteCommands(private=True, text="Hello")),
        (f"/nomail\n/cc {KIM}\nHello", NoteCommands(cc=people(KIM), nomail=True, text="Hello")),
        (f"/nomail /cc {KIM}\nHello", NoteCommands(cc=people(KIM), nomail=True, text="Hello")),
    ],
)  # fmt: skip
def test_what_counts(text: str, expected: NoteCommands) -> None:
    """The lines at the top count, in any order and however an editor writes them, and are taken out."""
    assert expected == parse(text)


@pytest.mark.fault("A33-4")
@pytest.mark.parametrize(
    "lead", ["<ul>\n<li>", "<h1>", "<section><p>", "<s>", "# ", "## ", "1. ", "2) ", "h2. ", "p>. "]
)
def test_what_precedes_a_command(lead: str) -> None:
    """A command in a list, a heading or a paragraph with a mark of its own counts: else it is mailed as text."""
    held, named = parse(f"{lead}/private\nHello"), parse(f"{lead}/uncc {KIM}\nHello")
    assert (True, people(KIM), ()) == (held.private, named.uncc, named.problems)
    assert ("/private" in held.text, "/uncc" in named.text, named.text.endswith("Hello")) == (False, False, True)


@pytest.mark.fault("A33-4")
@pytest.mark.parametrize("lead", ["(", "[", "~~", "+", "-", '"', "&#8203;", "&zwj;", "/", "／"])
def test_what_precedes_a_word_that_holds_a_note_back(lead: str) -> None:
    """Whatever sign precedes `/private`, the note is not mailed."""
    assert "/private" == parse(f"{lead}/private He never pays.").held_back


@pytest.mark.fault("A33-4")
def test_a_list_of_commands_in_html() -> None:
    """The rest of the note is the same HTML without them."""
    commands = parse(f"<ul><li>/cc {KIM}</li><li>/uncc {LEE}</li></ul>\n<p>Hello</p>")
    assert (people(KIM), people(LEE), ()) == (commands.cc, commands.uncc, commands.problems)
    assert "<ul></ul>\n<p>Hello</p>" == commands.text


@pytest.mark.fault("A33-5")
@pytest.mark.parametrize("sign", ["=", "：", "(", " ("])
def test_what_follows_a_command(sign: str) -> None:
    """A sign between a command and its address does not make the line a text that is mailed."""
    assert (people(KIM), "Hello") == (parse(f"/uncc{sign}{KIM}\nHello").uncc, parse(f"/uncc{sign}{KIM}\nHello").text)


@pytest.mark.parametrize("slashes", ["//", "// ", "／／"])
def test_two_slashes(slashes: str) -> None:
    """A slash too many makes no command a text that is mailed, unless no address follows: then it may be a path."""
    commands = parse(f"{slashes}cc {KIM}\nHello")
    assert (people(KIM), "Hello") == (commands.cc, commands.text)
    assert () == parse(f"{slashes}cc\nHello").problems
    assert "" == parse("//private/tmp is full").held_back


@pytest.mark.parametrize(
    "text",
    [
        "", "Hello", f"Hello\n/cc {KIM}", f"> /cc {KIM}\n\nHello", f"    /cc {KIM}", f"\t/cc {KIM}",
        f"```\n/cc {KIM}\n```", f"<pre>/cc {KIM}</pre>", f"`/cc {KIM}` adds Kim.", f"bq. /cc {KIM}",
        "/usr/bin/true failed", "/tmp is full", "/etc/hosts: see there", "/private/tmp is full", "/requests fail: 500",
        f"<blockquote><p>/cc {KIM}</p></blockquote>", "//cc", "/", "/root@host is down", f"/ cc\n{KIM}",
    ],
)  # fmt: skip
def test_what_is_text(text: str) -> None:
    """Text, quoted and code lines are no commands, and stay as they are; neither is a path."""
    assert NoteCommands(text=text) == parse(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"/requestor {KIM}", '/requestor is not a command, did you mean "/requester"?'),
        (f"/bcc {KIM}", '/bcc is not a command, did you mean "/cc"?'),
        (f"/supplier {KIM}", "/supplier is not a command"),
        ("/privat\nHe never pays.", '/privat is not a command, did you mean "/private"?'),
        ("/no-mail", '/no-mail is not a command, did you mean "/nomail"?'),
        ("/cc foo", "/cc: foo is not a mail address"),
        ("/cc", "/cc names no mail address"),
        ("/to whom it may concern", "/to: whom it may concern is not a mail address"),
        (f"/cc {KIM} please", "/cc: please is not a mail address"),
        (f"/requester {KIM} {LEE}", "/requester names more than one address"),
        (f"/cc {KIM}\n/uncc {KIM.upper()}", f"/cc and /uncc both name {KIM}"),
        ("/cc " + "x" * 6000, "/cc: the line is too long"),
        (f"/uncc {KIM},", "/uncc: the line ends with a comma, and addresses in the next one are not read"),
        (f"/uncc {KIM}; <br/>", "/uncc: the line ends with a comma, and addresses in the next one are not read"),
        ("/cc " + " ".join(f"p{n}@c.example" for n in range(MOST_ADDRESSES + 1)),
         f"the commands name more than {MOST_ADDRESSES} addresses"),
    ],
)  # fmt: skip
def test_what_the_agent_is_told(text: str, problem: str) -> None:
    """What is not understood is a problem, with what was probably meant, and is no text either."""
    commands = parse(f"{text}\n\nHello")
    assert ((problem,), "Hello") == (
        tuple(map(str, commands.problems)),
        commands.text.removeprefix("He never pays.\n\n"),
    )


@pytest.mark.parametrize(
    ("text", "marked", "rest"),
    [
        ("/mail Hello", True, "Hello"), ("/mail\nHello", True, "Hello"), ("  /MAIL: Hello", True, "Hello"),
        ("/mail", True, ""), (f"/cc {KIM}\n/mail Hello", True, "Hello"), (f"/mail\n/cc {KIM}\nHello", True, "Hello"),
        ("/mailing list", False, "/mailing list"), ("Hello /mail", False, "Hello /mail"), ("", False, ""),
        ("/mail2 x", False, "/mail2 x"),
    ],
)  # fmt: skip
def test_the_marker(text: str, marked: bool, rest: str) -> None:
    """The marker counts among the commands, as a word of its own, in any case, and is taken out."""
    commands = parse(text, marker="/mail")
    assert (marked, rest, ()) == (commands.marked, commands.text, commands.problems)
    assert not parse(text).marked


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("/private\nA secret.", "A secret."),
        (f"/cc {KIM}\n/private A secret.", f"/cc {KIM}\nA secret."),
        ("Priority: High\n/private\nA secret.", "Priority: High\n\nA secret."),
        ("A secret.\n/private", None),
        (f"/cc {KIM}\nHello", None),
    ],
)
def test_an_agents_mail(text: str, rest: str | None) -> None:
    """Of an agent's mail, the word that makes its note private is taken out; other commands stay for the note."""
    assert rest == without_private(text)


def test_one_line() -> None:
    """The commands in one line, for a record."""
    commands = parse(f"/cc Kim <{KIM}> {LEE}\n/private\n/requester {BOSS}")
    assert (f"/cc {KIM} {LEE}, /requester {BOSS}, /private", "/private") == (commands.line, commands.held_back)
    assert ("", "") == (parse("Hello").line, parse("Hello").held_back)


LINES = st.sampled_from(
    [f"/cc {KIM}", f"/to {LEE}", f"/uncc Boss <{BOSS}>", f"/requester {KIM}", "/private", "/nomail", "/mail", "",
     f"<p>/cc {LEE}</p>", "/cc foo", f"/requestor {KIM}", "\u200b"]
)  # fmt: skip


@given(st.lists(LINES, max_size=8), st.sampled_from(["Hello", "Dear Kim,\n/cc x@y.example", "<p>Hello</p>"]))
def test_no_byte_of_a_command_is_left(lines: list[str], words: str) -> None:
    """Whatever the order, the text behind the commands is all that is left, and only named addresses are found."""
    commands = parse("\n".join([*lines, words]), marker="/mail")
    assert words == commands.text.lstrip("\u200b\r\n") if any(lines) else words
    named = {person.address for them in commands.by_name.values() for person in them}
    assert named <= {KIM, LEE, BOSS}
    assert any(KIM in line for line in lines if line.startswith("/cc")) == (Address("", KIM) in commands.cc)
    assert ("/private" in lines, "/nomail" in lines) == (commands.private, commands.nomail)
    assert ("/cc foo" in lines or f"/requestor {KIM}" in lines) <= bool(commands.problems)


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    """Any text is read; without a command it stays as it is."""
    commands = parse(text, marker="/mail")
    if not (commands.line or commands.problems or commands.marked):
        assert text == commands.text
    without_private(text)


def test_long_texts_take_linear_time() -> None:
    """A note of a megabyte is read at once, whatever it consists of."""
    for piece in (
        "\u200b",
        "/private ",
        f"/cc {KIM}\n",
        "<p>",
        "<p",
        "&nbsp;",
        "*",
        "- ",
        "-",
        "1. ",
        "p. ",
        "p",
        "# ",
        "#",
        f"/cc {KIM}, ",
        "/mail ",
    ):
        parse(piece * (1_000_000 // len(piece)), marker="/mail")


BY_MAIL = {
    "text": ("plain", f"/cc The_Boss <{BOSS}>, {LEE}\n\nHello"),
    "links": ("plain", f"/cc The_Boss <mailto:{BOSS}>, <{LEE}>\nHello"),
    "html": ("html", f'<p>/cc The_Boss &lt;<a href="mailto:{BOSS}">{BOSS}</a>&gt;, {LEE}</p><p>Hello</p>'),
    "outlook": ("html", f'<div>/cc <a href="mailto:{BOSS}">Boss</a>; <a href="mailto:{LEE}">{LEE}</a><br>Hello</div>'),
}  # fmt: skip


@pytest.mark.parametrize("text_format", ["common_mark", "markdown", "textile"])
@pytest.mark.parametrize("kind", BY_MAIL)
def test_what_an_agents_mail_becomes_in_redmine(kind: str, text_format: TextFormat) -> None:
    """Commands survive the reading of a mail, in each markup that Redmine may have."""
    content_type, content = BY_MAIL[kind]
    raw = growth.text(content, content_type)
    body = read_mail(raw, ReadingOptions(text_format=text_format, prefer="text")).body
    commands = parse(body.written or body.whole)
    assert ((BOSS, LEE), ()) == (tuple(person.address for person in commands.cc), commands.problems)
    assert "Hello" == commands.text.strip()
