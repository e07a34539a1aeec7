"""`deliver`: takes one mail from a mail server on standard input and stores it in the spool.

Imports the standard library and the spool alone; it reads no settings, since it often runs as a user who must not read
them. What it has to know, the service has written into the spool. Nothing is printed but one line on standard error,
which mail servers put into bounces. The exit codes are those of sysexits.h.
"""

import contextlib
import os
import re
import signal
from collections.abc import Iterator, Mapping, Sequence
from getopt import GetoptError, gnu_getopt

from redmine_mailbridge.mailboxes.delivered import drop

SPOOL = "/var/spool/redmine-mailbridge"
"""The default of `spool_dir`."""

OK, USAGE, DATAERR, NOUSER, TEMPFAIL, NOPERM = 0, 64, 65, 67, 75, 77

OPTIONS = ("mailbox=", "from=", "to=", "spool=")
HEAD, CHUNK = 64 << 10, 256 << 10
DRAINED = 1 << 30
"""How many bytes of a mail that is not accepted are read: some servers report a broken pipe in place of the code."""

_MBOX = re.compile(rb"[\r\n]*(?:>?From (?![ \t]{0,9}:)[^\r\n]*[\r\n]+){0,2}[\r\n]*")
_RECEIVED = re.compile(rb"^(?:Received[ \t]{0,9}:|\r?$)", re.MULTILINE | re.IGNORECASE)
_FIELD = re.compile(rb"[^\x00-\x20:\x7f]{1,200}[ \t]{0,9}:")
_NAME = re.compile(rb"^([!-9;-~]{1,200})[ \t]{0,9}:", re.MULTILINE)
_ADDRESS = re.compile(r"[^\x00-\x20<>\x7f]{1,320}")
_RECIPIENT_FIELDS = frozenset({"delivered-to", "x-original-to", "envelope-to", "x-delivered-to"})


class _Refused(Exception):
    """The mail is not accepted: exit code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def deliver(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> int:
    """Given the command line after `deliver` and the environment, store the mail on standard input. Return the exit
    code; never raise.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(
            signal.SIGINT, signal.SIG_DFL
        )  # dies as by any other signal: no exit code for a mail in the spool
    try:
        _deliver(arguments, environ)
    except _Refused as refusal:
        code = _failed(refusal.code, str(refusal))
        _drain()
        return code
    except drop.NotKept as error:
        return _failed(TEMPFAIL, str(error))
    except BaseException as error:  # noqa: BLE001 - whatever happens, the mail server must keep the mail
        return _failed(TEMPFAIL, f"internal error ({type(error).__name__})")
    return OK


def _failed(code: int, reason: str) -> int:
    """Print why on one line, as far as that is possible. Return the code."""
    line = "".join(char if char.isprintable() else "?" for char in reason)[:500]
    with contextlib.suppress(OSError):
        os.write(2, f"redmine-mailbridge deliver: {line}\n".encode("utf-8", "backslashreplace"))
    return code


def _deliver(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    try:
        pairs, others = gnu_getopt(list(arguments), "", OPTIONS)
    except GetoptError as error:
        raise _Refused(USAGE, f"{error}") from None
    if others:
        raise _Refused(USAGE, f"unexpected argument {others[0]}")
    options = {name.removeprefix("--"): value for name, value in pairs}
    spool = options.get("spool") or environ.get("MAILBRIDGE_SPOOL") or SPOOL
    written = (environ.get(name, "") for name in ("ORIGINAL_RECIPIENT", "RECIPIENT"))
    recipients = [bare for text in ([options["to"]] if "to" in options else written) if (bare := _bare(text))]
    sender = options.get("from", environ.get("SENDER"))
    mailboxes = drop.read_index(spool)
    mailbox = mailboxes[_mailbox(mailboxes, options.get("mailbox"), recipients, environ.get("EXTENSION", ""))]
    if mailbox["folder"] is None:
        raise _Refused(NOPERM, "this mailbox is read from its own server and takes no mail from `deliver`")
    head = _read(HEAD)
    mail = _Mail(head, sender, recipients[0] if recipients else "")
    try:
        drop.add(spool, str(mailbox["folder"]), mail.chunks(), max_size=int(str(mailbox["max_size"])))
    except drop.TooLarge:
        raise _Refused(DATAERR, f"the mail is larger than {mailbox['max_size']} bytes") from None


def _bare(recipient: str) -> str:
    """Given a recipient as a mail server writes it, return the address: without <> and needless quotes, lower case."""
    address = recipient.strip().removeprefix("<").removesuffix(">").strip()
    local, at, domain = address.rpartition("@")
    if len(local) > 1 and local[0] == local[-1] == '"':
        local = re.sub(r"\\(.)", r"\1", local[1:-1], flags=re.DOTALL)
    return f"{local}{at}{domain.rstrip('.')}".lower()


def _mailbox(
    mailboxes: Mapping[str, Mapping[str, object]], name: str | None, recipients: Sequence[str], extension: str
) -> str:
    """Given the mailboxes, the one requested, the recipients (most trustworthy first) and the extension of the address
    as the mail server split it, return the mailbox's name. Raise _Refused.
    """
    if name is not None:
        if name not in mailboxes:
            raise _Refused(NOUSER, f"no mailbox {name}")
        return name
    if not recipients:
        if len(mailboxes) == 1:
            return next(iter(mailboxes))
        raise _Refused(USAGE, "the recipient is unknown: use --to or --mailbox")
    ordered = sorted(mailboxes, key=lambda box: mailboxes[box]["folder"] is not None)  # those that can take it win
    by_address = {address: box for box in ordered for address in mailboxes[box]["addresses"]}  # type: ignore[attr-defined]
    for recipient in recipients:
        for address in _less_and_less(recipient, extension.lower()):
            if address in by_address:
                return str(by_address[address])
    raise _Refused(NOUSER, f"no mailbox for {recipients[0]}")


def _less_and_less(recipient: str, extension: str) -> Iterator[str]:
    """Given a recipient, yield it, and without its subaddress."""
    yield recipient
    local, at, domain = recipient.rpartition("@")
    if extension and len(local) > len(extension) + 1 and local.endswith(extension):
        yield f"{local[: -len(extension) - 1]}{at}{domain}"
    yield f"{local.partition('+')[0]}{at}{domain}"


def _read(size: int) -> bytes:
    """Read this many bytes of standard input, fewer at its end only."""
    chunks: list[bytes] = []
    while size > 0 and (chunk := os.read(0, size)):
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def _drain() -> None:
    """Read the rest of a mail that is not accepted; nothing that a person would have to type."""
    read = 0
    with contextlib.suppress(OSError):
        while read < DRAINED and not os.isatty(0) and (chunk := os.read(0, CHUNK)):
            read += len(chunk)


class _Mail:
    """One mail: its beginning, with the fields of the envelope in front as far as the mail server did not write them.

    A line "From " in front, as of an mbox file, is removed: it differs each time that a server tries again. Everything
    else stays as it came.
    """

    def __init__(self, head: bytes, sender: str | None, recipient: str) -> None:
        mbox = _MBOX.match(head)
        self._head = head[mbox.end() :] if mbox is not None else head
        if not head:
            raise _Refused(DATAERR, "standard input is empty")
        if not _FIELD.match(self._head):
            raise _Refused(DATAERR, "not a mail: it does not begin with a header field")
        top = _RECEIVED.split(self._head, maxsplit=1)[0]
        names = {name.decode().lower() for name in _NAME.findall(top)}
        newline = "\r\n" if b"\r\n" in self._head[:1000] else "\n"
        self._fields = ""
        if sender is not None and "return-path" not in names:
            path = sender.strip().removeprefix("<").removesuffix(">")
            path = "" if path.upper() == "MAILER-DAEMON" else path
            self._fields += f"Return-Path: <{path}>{newline}" if not path or _ADDRESS.fullmatch(path) else ""
        if _ADDRESS.fullmatch(recipient) and not names & _RECIPIENT_FIELDS:
            self._fields += f"Delivered-To: {recipient}{newline}"

    def chunks(self) -> Iterator[bytes]:
        """The bytes of the mail, read as they are needed."""
        yield self._fields.encode("utf-8", "surrogateescape")
        yield self._head
        while chunk := os.read(0, CHUNK):
            yield chunk
