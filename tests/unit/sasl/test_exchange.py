"""The exchange of challenges that IMAP, POP3 and SMTP share."""

from base64 import b64decode, b64encode

import pytest

from redmine_mailbridge.errors import LoginRefused
from redmine_mailbridge.sasl.exchange import CANCEL, MAX_CHALLENGES, Exchange
from redmine_mailbridge.sasl.mechanism import Credentials

ANNA = Credentials("anna", "anna", "geheim")


def test_login_answers_two_prompts() -> None:
    """LOGIN sends the username, then the password, each in base64."""
    exchange = Exchange("LOGIN", ANNA)

    assert [b"anna", b"geheim"] == [
        b64decode(exchange.line(b64encode(prompt))) for prompt in (b"User Name", b"Password")
    ]


def test_a_server_that_never_ends_is_left() -> None:
    """After MAX_CHALLENGES challenges the login is cancelled, and a challenge after that ends it with an error."""
    exchange = Exchange("XOAUTH2", Credentials("anna", "anna", token="s3cr3t"))

    lines = [exchange.line(b"") for _ in range(MAX_CHALLENGES + 1)]
    assert CANCEL not in lines[:-1]
    assert CANCEL == lines[-1]
    with pytest.raises(LoginRefused, match="without an end"):
        exchange.line(b"")


def test_words_in_place_of_a_challenge() -> None:
    """An old Exchange begins NTLM with words: the first message goes out as if it had been asked for."""
    assert b64decode(Exchange("NTLM", ANNA).line(b"ntlm supported")).startswith(b"NTLMSSP\0")


def test_the_error_in_place_of_a_challenge() -> None:
    """A token's error (RFC 7628 section 3.2.2) is acknowledged, and the hint says what it means."""
    exchange = Exchange("OAUTHBEARER", Credentials("anna", "anna", token="s3cr3t"))
    assert b"auth=Bearer s3cr3t" in b64decode(exchange.line())

    assert b"\x01" == b64decode(exchange.line(b64encode(b'{"status": "invalid_token"}')))
    assert "invalid_token" in exchange.hint
    assert "has expired" in exchange.hint
