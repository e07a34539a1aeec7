"""One place where every error of the mail libraries becomes one of ours, with the server's words and no secret."""

import binascii
import imaplib
import poplib
import ssl
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from imap_tools.errors import ImapToolsError

from redmine_mailbridge.errors import MailboxError, MailboxUnreachable

WORDS_LIMIT = 400


class Spoiled(MailboxUnreachable):
    """The connection is of no more use: what `translate_errors` raises, and the sign to connect anew."""


def words(raw: object) -> str:
    """Given what a server said (bytes, text or a list of either), return it as one line of at most 400 characters."""
    if isinstance(raw, list | tuple):
        return "; ".join(filter(None, (words(item) for item in raw)))[:WORDS_LIMIT]
    if raw is None:
        return ""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes | bytearray) else str(raw)
    text = text[: 4 * WORDS_LIMIT]
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:WORDS_LIMIT]


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Given a text and secrets, return the text without them, plain or in base64."""
    for secret in secrets:
        if not secret:
            continue
        for form in (secret, b64encode(secret.encode()).decode(), secret.replace("\\", "\\\\").replace('"', '\\"')):
            text = text.replace(form, "***")
    return text


@contextmanager
def translate_errors(doing: str, *, secrets: Iterable[str] = ()) -> Iterator[None]:
    """Given what is being done (for the text), turn what the libraries raise into `Spoiled`.

    Errors of ours pass unchanged. Everything else that comes from imaplib, imap-tools, poplib, ssl or the socket
    leaves a connection whose state is unknown, so that it is dropped and made anew.
    """
    try:
        yield
    except MailboxError:
        raise
    except ssl.SSLCertVerificationError as error:
        message = f"{doing}: the server's certificate is not accepted: {words(error.verify_message)}"
        raise Spoiled(scrub(message, secrets)) from None
    except TimeoutError as error:
        said = words(error)
        raise Spoiled(f"{doing}: no answer in time" + (f" ({said})" if said else "")) from None
    except (ImapToolsError, imaplib.IMAP4.error, poplib.error_proto, OSError, EOFError) as error:
        raise Spoiled(scrub(f"{doing}: {words(said_by(error))}", secrets)) from None
    except (UnicodeError, binascii.Error, ValueError) as error:
        said = f"{type(error).__name__}: {words(error)}"
        raise Spoiled(scrub(f"{doing}: what the server sent cannot be read: {said}", secrets)) from None


def said_by(error: BaseException) -> object:
    """Given an error of a library, return the server's own words in it, or the error's name when it is mute."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if error.args and isinstance(error.args[0], bytes | str):
        return error.args[0]
    return str(error) or type(error).__name__
