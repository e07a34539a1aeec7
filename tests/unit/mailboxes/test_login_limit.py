"""At most so many logins a minute to one account."""

import dataclasses
import threading

import pytest

from redmine_mailbridge.errors import MailboxUnreachable, TooManyLogins
from redmine_mailbridge.mailboxes.backoff import hint
from redmine_mailbridge.mailboxes.base import MailboxConfig, MailProtocol, Security
from redmine_mailbridge.mailboxes.factory import open_mailbox
from redmine_mailbridge.mailboxes.login_limit import WITHIN, LoginLimiter
from tests.scripted_server import scripted


def test_one_too_many_is_refused_until_the_first_is_a_minute_old() -> None:
    """The login after the last allowed one is refused, and the text says for how many seconds."""
    now = [1000.0]
    limiter = LoginLimiter(3, clock=lambda: now[0])
    for _ in range(3):
        limiter.take("mailbox a")
        now[0] += 10
    with pytest.raises(TooManyLogins, match="mailbox a: 3 logins within a minute") as refused:
        limiter.take("mailbox a")
    assert 31 == hint(str(refused.value))
    now[0] = 1000.0 + WITHIN
    limiter.take("mailbox a")
    with pytest.raises(TooManyLogins):
        limiter.take("mailbox a")


def test_threads_share_it() -> None:
    """However many connections log in at once, no more than the limit do."""
    limiter, refused = LoginLimiter(5), []

    def one() -> None:
        try:
            limiter.take("x")
        except TooManyLogins:
            refused.append(1)

    threads = [threading.Thread(target=one) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 15 == len(refused)


@pytest.mark.parametrize("protocol", [MailProtocol.IMAP, MailProtocol.POP3])
def test_the_server_does_not_see_the_login_that_is_refused(protocol: MailProtocol) -> None:
    """A server that ends each connection at once sees so many connections, and no more however often it is asked."""
    with scripted({}, "* BYE Too many" if protocol is MailProtocol.IMAP else "-ERR [IN-USE] no") as server:
        config = MailboxConfig(
            name="a", host="127.0.0.1", port=server.port, username="me", password="p", protocol=protocol,
            security=Security.NONE, timeout=5.0,
        )  # fmt: skip
        box = open_mailbox(dataclasses.replace(config, logins=LoginLimiter(4)))
        for _ in range(20):
            with pytest.raises(MailboxUnreachable):
                box.state("INBOX")
        assert 4 == server.connections
