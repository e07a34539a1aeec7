"""How mail servers misbehave: one row for each way, as quirks of a proxy before a real one.

The words are those of the servers that were seen to say them (Gmail, Exchange Online, Yahoo, Dovecot, Courier), and the
response codes those of RFC 5530 (IMAP), RFC 2449 and RFC 3206 (POP3), each to the command that it makes sense for.
"""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tests.servers.stubborn import Quirk

LOGIN = r"LOGIN|AUTHENTICATE"
BODY = r"UID FETCH .*BODY"
MOVE = r"UID MOVE"
LATER = r"(?!LOGIN|AUTHENTICATE|CAPABILITY|LOGOUT)."
"""Whatever comes after the login."""


@dataclass(frozen=True, slots=True)
class Row:
    """One misbehaviour. `arrives`: mail gets through all the same, sooner or later within a minute."""

    what: str
    quirks: tuple[Quirk, ...]
    protocol: Literal["imap", "pop3"] = "imap"
    security: str = "none"
    folders: tuple[str, ...] = ("INBOX",)
    arrives: bool = False


def imap(what: str, *quirks: Quirk, arrives: bool = False, **more: str) -> Row:
    """A row of IMAP."""
    return Row(what, quirks, arrives=arrives, **more)  # type: ignore[arg-type]


def pop3(what: str, *quirks: Quirk, arrives: bool = False) -> Row:
    """A row of POP3."""
    return Row(what, quirks, "pop3", arrives=arrives)


def no(code: str, words: str, to: str) -> Row:
    """A row of IMAP in which one kind of command is answered by NO with a code of RFC 5530."""
    command = {LOGIN: "the login", BODY: "FETCH", MOVE: "MOVE", "UID SEARCH": "SEARCH"}.get(to, to)
    return imap(f"NO [{code}] to {command}", Quirk(to, says=f"{{tag}} NO [{code}] {words}\n"))


def counting(pattern: bytes, first: int) -> tuple[bytes, Callable[[re.Match[bytes]], bytes]]:
    """Given a pattern with one group around what stands before a number, have the number rise each time."""
    numbers = itertools.count(first)
    return pattern, lambda found: found[1] + str(next(numbers)).encode()


def rows() -> tuple[Row, ...]:
    """All rows, each with counters of its own."""
    return (*idle(), *select(), *goodbyes(), *codes(), *hangs(), *providers(), *others(), *of_pop3())


def idle() -> tuple[Row, ...]:
    """IDLE is announced."""
    flags = "* 1 FETCH (FLAGS (\\Seen))\n* OK Still here\n"
    return (
        imap("IDLE is refused", Quirk("IDLE", says="{tag} NO [CANNOT] not here\n"), arrives=True),
        imap("IDLE is unknown", Quirk("IDLE", says="{tag} BAD Unknown command\n"), arrives=True),
        imap("IDLE: BYE at once", Quirk("IDLE", says="+ idling\n* BYE Idle for too long\n", ends=True), arrives=True),
        imap("IDLE: hangs up", Quirk("IDLE", ends=True, says=""), arrives=True),
        imap("IDLE ends at once", Quirk("IDLE", says="+ idling\n{tag} OK Idle completed\n"), arrives=True),
        imap("IDLE is never confirmed", Quirk("IDLE", mute=True), arrives=True),
        imap("DONE is never answered", Quirk("DONE", mute=True), arrives=True),
        imap("IDLE: a storm of EXISTS", Quirk("IDLE", then="", repeats="* 3 EXISTS\n"), arrives=True),
        imap("IDLE: a storm of flags", Quirk("IDLE", then="", repeats=flags), arrives=True),
        imap("IDLE: half a line", Quirk("IDLE", then="* 3 EXI", mute=True), arrives=True),
        imap("IDLE pushes nothing", Quirk("IDLE", says="+ idling\n"), Quirk("DONE", says="{idle} OK done\n")),
        Row(
            "a storm of EXISTS in two folders", (Quirk("IDLE", then="", repeats="* 3 EXISTS\n"),),
            folders=("INBOX", "Sales"), arrives=True,
        ),
    )  # fmt: skip


def select() -> tuple[Row, ...]:
    """What SELECT leaves out or makes up."""
    without = {
        "UIDNEXT": rb"\* OK \[UIDNEXT \d+\][^\r]*\r\n",
        "UIDVALIDITY": rb"\* OK \[UIDVALIDITY \d+\][^\r]*\r\n",
        "EXISTS": rb"\* \d+ EXISTS\r\n",
    }
    left_out = [
        imap(f"SELECT without {name}", Quirk("SELECT", edits=((line, b""),)), arrives=True)
        for name, line in without.items()
    ]
    bare = tuple((line, b"") for line in without.values())
    far = (rb"(\[UIDNEXT )\d+", rb"\g<1>4294967295")
    rising = (counting(rb"(\* )\d+(?= EXISTS)", 10), counting(rb"(\[UIDNEXT )\d+", 100))
    return (
        *left_out,
        imap("SELECT without any of the three", Quirk("SELECT", edits=bare), arrives=True),
        imap("mails are counted that never come", Quirk("SELECT", edits=rising), arrives=True),
        imap(
            "UIDVALIDITY is another each time",
            Quirk("SELECT", edits=(counting(rb"(\[UIDVALIDITY )\d+", 7),)),
            arrives=True,
        ),
        imap("UIDNEXT is beyond all UIDs", Quirk("SELECT", edits=(far,)), arrives=True),
        imap("SELECT is READ-ONLY", Quirk("SELECT", edits=((rb"\[READ-WRITE\]", b"[READ-ONLY]"),)), arrives=True),
        imap("SEARCH finds nothing", Quirk("UID SEARCH", says="* SEARCH\n{tag} OK done\n")),
        imap("SEARCH finds what is not there", Quirk("UID SEARCH", says="* SEARCH 901 902 903\n{tag} OK done\n")),
    )


def goodbyes() -> tuple[Row, ...]:
    """BYE, and connections that end without a word."""
    bye = "* BYE Server shutting down\n"
    return (
        imap("BYE as greeting", Quirk("", says="* BYE Too many connections from your IP\n", ends=True)),
        imap("BYE to the login", Quirk(LOGIN, says=bye, ends=True)),
        imap("BYE after the login", Quirk("LIST", says=bye, ends=True)),
        imap("BYE after SELECT", Quirk("SELECT", then=bye, ends=True)),
        imap("BYE in SEARCH", Quirk("UID SEARCH", says=bye, ends=True)),
        imap("BYE in FETCH", Quirk(BODY, says=bye, ends=True)),
        imap("BYE in the middle of a mail", Quirk(BODY, says="* 1 FETCH (UID 1 BODY[] {500}\nFrom: a\n", ends=True)),
        imap("BYE after MOVE", Quirk(MOVE, then=bye, ends=True), arrives=True),
        imap("MOVE breaks the connection", Quirk(MOVE, says="", ends=True), arrives=True),
        imap("hangs up after each command", Quirk(LATER, then="", ends=True)),
        imap("hangs up before the greeting", Quirk("", says="", ends=True)),
    )


def codes() -> tuple[Row, ...]:
    """NO and BAD, with each code of RFC 5530."""
    return (
        no("UNAVAILABLE", "User's backend is down for maintenance", LOGIN),
        no("AUTHENTICATIONFAILED", "Authentication failed", LOGIN),
        no("AUTHORIZATIONFAILED", "No such authorization-ID", LOGIN),
        no("EXPIRED", "That password isn't valid any more", LOGIN),
        no("PRIVACYREQUIRED", "Connection offers no privacy", LOGIN),
        no("CONTACTADMIN", "Contact the helpdesk", LOGIN),
        no("LIMIT", "Too many sessions", LOGIN),
        no("NOPERM", "Access denied", "SELECT"),
        no("INUSE", "Mailbox in use", "SELECT"),
        no("CORRUPTION", "Cannot open mailbox", "SELECT"),
        no("NONEXISTENT", "No such mailbox", "SELECT"),
        no("SERVERBUG", "Internal error occurred", "UID SEARCH"),
        no("UNAVAILABLE", "Backend is away", BODY),
        no("EXPUNGEISSUED", "Some messages were expunged", BODY),
        no("CORRUPTION", "Cache file is broken", BODY),
        no("SERVERBUG", "Internal error occurred", BODY),
        no("LIMIT", "At most 1 message at once", BODY),
        no("NOPERM", "You have no right to read", BODY),
        no("CANNOT", "Cannot move", MOVE),
        no("OVERQUOTA", "Quota exceeded", MOVE),
        no("NONEXISTENT", "No such mailbox", MOVE),
        no("TRYCREATE", "Make it first", MOVE),
        no("INUSE", "Mailbox in use", MOVE),
        imap(
            "NO [ALREADYEXISTS] to CREATE, and no folder",
            Quirk("CREATE", says="{tag} NO [ALREADYEXISTS] Mailbox exists\n"),
            Quirk(MOVE, says="{tag} NO [TRYCREATE] No such mailbox\n"),
        ),
        imap("BAD [CLIENTBUG] to FETCH", Quirk(BODY, says="{tag} BAD [CLIENTBUG] Unknown argument\n")),
        imap("BAD to SEARCH", Quirk("UID SEARCH", says="{tag} BAD Error in IMAP command\n")),
        imap(
            "OK to FETCH, and NIL for each mail",
            Quirk(BODY, edits=((rb"BODY\[\](?:<\d+>)? \{\d+\}\r\n.*\)\r\n$", b"BODY[] NIL)\r\n"),)),
        ),
        imap("OK to FETCH, and nothing else", Quirk(BODY, says="{tag} OK Fetch completed\n")),
    )


def hangs() -> tuple[Row, ...]:
    """Takes what is said, and never answers."""
    return (
        imap("hangs before the greeting", Quirk("", mute=True)),
        imap("hangs at the login", Quirk(LOGIN, mute=True)),
        imap("hangs at SELECT", Quirk("SELECT", mute=True)),
        imap("hangs at SEARCH", Quirk("UID SEARCH", mute=True)),
        imap("hangs at FETCH", Quirk(BODY, mute=True)),
        imap("hangs at MOVE", Quirk(MOVE, mute=True), arrives=True),
        imap("hangs in the middle of a mail", Quirk(BODY, says="* 1 FETCH (UID 1 BODY[] {500}\nFrom: a\n", mute=True)),
        imap("half a line to SELECT", Quirk("SELECT", says="* 3 EXI", mute=True)),
        imap("talks without an end", Quirk("SELECT", says="", repeats="* OK wait\n" * 2000)),
    )


def providers() -> tuple[Row, ...]:
    """What the big ones say when they have enough of a client."""
    gmail = "[OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)"
    backoff = "Request is throttled. Suggested Backoff Time: 92415 milliseconds"
    return (
        imap(
            "Gmail: too many connections",
            Quirk(LOGIN, says="{tag} NO [ALERT] Too many simultaneous connections. (Failure)\n"),
        ),
        imap("Gmail: bandwidth, at FETCH", Quirk(BODY, says=f"{{tag}} NO {gmail}\n")),
        imap("Gmail: bandwidth, at the login", Quirk(LOGIN, says=f"{{tag}} NO {gmail}\n")),
        imap("Gmail: System Error, at FETCH", Quirk(BODY, says="{tag} NO System Error (Failure)\n")),
        imap("Gmail: System Error, at MOVE", Quirk(MOVE, says="{tag} NO System Error (Failure)\n"), arrives=True),
        imap("Microsoft: not connected", Quirk(LATER, says="{tag} BAD User is authenticated but not connected.\n")),
        imap("Microsoft: throttled, at FETCH", Quirk(BODY, says=f"{{tag}} BAD {backoff}\n")),
        imap("Microsoft: throttled, at MOVE", Quirk(MOVE, says=f"{{tag}} NO {backoff}\n"), arrives=True),
        imap("Microsoft: Server Unavailable. 15", Quirk(LATER, says="{tag} NO Server Unavailable. 15\n")),
        imap(
            "Microsoft: BYE, session invalidated",
            Quirk(BODY, says="* BYE Session invalidated - AccessTokenExpired\n", ends=True),
        ),
        imap("Yahoo: rate limit, at FETCH", Quirk(BODY, says="{tag} NO [LIMIT] FETCH Rate limit hit.\n")),
        imap("Yahoo: rate limit, at the login", Quirk(LOGIN, says="{tag} NO [LIMIT] LOGIN Rate limit hit.\n")),
        imap(
            "Yahoo: server error, at FETCH",
            Quirk(BODY, says="{tag} NO [SERVERBUG] FETCH Server error - Please try again later\n"),
        ),
        imap(
            "Yahoo: server error, at the login",
            Quirk(LOGIN, says="{tag} NO [UNAVAILABLE] LOGIN Server error - Please try again later\n"),
        ),
    )


def others() -> tuple[Row, ...]:
    """Lies, and refusals of everything."""
    mechanism = Quirk("AUTHENTICATE", says="{tag} NO Unsupported authentication mechanism\n")
    http = Quirk("", says="HTTP/1.1 400 Bad Request\nServer: nginx\n\n", ends=True)
    no_tls = Quirk("STARTTLS", says="{tag} NO [UNAVAILABLE] TLS not available\n")
    lies = ((rb"(\* CAPABILITY|\[CAPABILITY) [^\]\r]*", rb"\1 IMAP4rev1 AUTH=PLAIN IDLE MOVE UIDPLUS NAMESPACE ACL"),)
    unknown = Quirk(r"IDLE|UID MOVE|UID EXPUNGE|NAMESPACE|MYRIGHTS", says="{tag} BAD Unknown command\n")
    bare = ((rb"(\* CAPABILITY|\[CAPABILITY) [^\]\r]*", rb"\1 IMAP4rev1 AUTH=PLAIN"),)
    return (
        imap("the login goes well, and NO to all else", Quirk(LATER, says="{tag} NO no\n")),
        imap("the login goes well, and BAD to all else", Quirk(LATER, says="{tag} BAD what\n")),
        imap("capabilities that are lies", Quirk("CAPABILITY", edits=lies), unknown, arrives=True),
        imap("no capability at all", Quirk("CAPABILITY", edits=bare)),
        imap("a login that is offered and refused", mechanism),
        imap("STARTTLS is refused", no_tls, security="starttls"),
        imap("STARTTLS is not offered", Quirk("CAPABILITY", edits=((rb" STARTTLS", b""),)), security="starttls"),
        imap("LIST shows no folder", Quirk("LIST", says="{tag} OK done\n"), arrives=True),
        imap("answers with the wrong tag", Quirk("SELECT", says="X1 OK done\n")),
        imap("answers by something else than IMAP", http),
    )  # fmt: skip


def of_pop3() -> tuple[Row, ...]:
    """POP3."""
    sign_in = r"PASS|APOP|AUTH"
    fresh = itertools.count(1)
    return (
        pop3(
            "POP3: -ERR [IN-USE] to the login",
            Quirk(sign_in, says="-ERR [IN-USE] Do you have another POP session running?\n"),
        ),
        pop3(
            "POP3: -ERR [LOGIN-DELAY]",
            Quirk(sign_in, says="-ERR [LOGIN-DELAY] minimum time between mail checks violation\n"),
        ),
        pop3("POP3: -ERR [SYS/TEMP] to the login", Quirk(sign_in, says="-ERR [SYS/TEMP] Temporary failure\n")),
        pop3("POP3: -ERR [SYS/PERM] to the login", Quirk(sign_in, says="-ERR [SYS/PERM] Web login required\n")),
        pop3("POP3: -ERR [AUTH] to the login", Quirk(sign_in, says="-ERR [AUTH] Invalid login\n")),
        pop3("POP3: -ERR as greeting", Quirk("", says="-ERR too many connections\n", ends=True)),
        pop3("POP3: hangs before the greeting", Quirk("", mute=True)),
        pop3("POP3: hangs at LIST", Quirk("LIST", mute=True)),
        pop3("POP3: hangs at RETR", Quirk("RETR", mute=True)),
        pop3("POP3: UIDL is unknown", Quirk("UIDL", says="-ERR Unknown command\n")),
        pop3(
            "POP3: UIDLs are others each time",
            Quirk("UIDL", edits=((rb"^(\d+ )\S+", lambda found: found[1] + b"u%d" % next(fresh)),)),
            arrives=True,
        ),
        pop3("POP3: -ERR [SYS/TEMP] to RETR", Quirk("RETR", says="-ERR [SYS/TEMP] Server error, try again\n")),
        pop3("POP3: hangs up in RETR", Quirk("RETR", says="+OK\nFrom: a\n", ends=True)),
        pop3("POP3: -ERR to DELE", Quirk("DELE", says="-ERR [SYS/TEMP] locked\n"), arrives=True),
        pop3("POP3: QUIT is not answered", Quirk("QUIT", mute=True), arrives=True),
        pop3("POP3: QUIT hangs up and deletes nothing", Quirk("QUIT", says="", ends=True), arrives=True),
        pop3("POP3: -ERR to all behind the login", Quirk(r"(?!USER|PASS|AUTH|APOP|CAPA|QUIT).", says="-ERR no\n")),
    )
