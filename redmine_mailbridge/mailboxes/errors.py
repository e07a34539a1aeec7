"""Translates all errors of the mail libraries to the bridge's, with the server's words and without secrets."""

import binascii
import imaplib
import poplib
import ssl
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from imap_tools.errors import ImapToolsError

from redmine_mailbridge.errors import MailboxError, MailboxUnreachable
from redmine_mailbridge.util.printable import printable_line
from redmine_mailbridge.util.redact import redact

WORDS_LIMIT = 400


class ConnectionLost(MailboxUnreachable):
    """The connection is unusable: raised by `translate_errors`, and the sign to reconnect."""


def one_line(raw: object, secrets: Collection[str] = ()) -> str:
    """Given what a server said (bytes, text or a list of either), return it without secrets, as one line of at most 400
    characters.
    """
    if isinstance(raw, list | tuple):
        return "; ".join(filter(None, (one_line(item, secrets) for item in raw)))[:WORDS_LIMIT]
    if raw is None:
        return ""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes | bytearray) else str(raw)
    text = redact(text, secrets)[: 4 * WORDS_LIMIT]
    return printable_line(text)[:WORDS_LIMIT]


@contextmanager
def translate_errors(doing: str, *, secrets: Collection[str] = ()) -> Iterator[None]:
    """Given what is being done (for the text), turn what the libraries raise into `ConnectionLost`.

    The bridge's own errors pass unchanged. Everything else that comes from imaplib, imap-tools, poplib, ssl or the
    socket leaves a connection in an unknown state, so that it is dropped and opened again.
    """
    try:
        yield
    except MailboxError:
        raise
    except ssl.SSLCertVerificationError as error:
        message = f"{doing}: the server's certificate is not accepted: {one_line(error.verify_message)}"
        raise ConnectionLost(message) from None
    except TimeoutError as error:
        reason = one_line(error)
        raise ConnectionLost(f"{doing}: no answer in time" + (f" ({reason})" if reason else "")) from None
    except (ImapToolsError, imaplib.IMAP4.error, poplib.error_proto, OSError, EOFError) as error:
        raise ConnectionLost(f"{doing}: {one_line(said_by(error), secrets)}") from None
    except (UnicodeError, binascii.Error, ValueError) as error:
        reason = f"{type(error).__name__}: {one_line(error, secrets)}"
        raise ConnectionLost(f"{doing}: what the server sent cannot be read: {reason}") from None


def said_by(error: BaseException) -> object:
    """Given an error of a library, return the server's own words in it, or the error's name when it is mute."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if error.args and isinstance(error.args[0], bytes | str):
        return error.args[0]
    return str(error) or type(error).__name__
