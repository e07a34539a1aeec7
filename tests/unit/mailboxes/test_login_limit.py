"""At most so many logins a minute to one account."""

import contextlib
import dataclasses
import threading
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.errors import MailboxUnreachable, TooManyLogins
from redmine_mailbridge.mailboxes.factory import open_mailbox
from redmine_mailbridge.mailboxes.login_limit import WITHIN, LoginLimiter
from redmine_mailbridge.model.mailbox import MailboxConfig, MailProtocol, Security
from redmine_mailbridge.util.backoff import hint
from redmine_mailbridge.wiring import application
from tests.memory_mailbox import MemoryMailbox
from tests.scripted_server import scripted
from tests.unit.tasks.fake_redmine import FakeRedmine, open_fake_redmine


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
        box = open_mailbox(dataclasses.replace(config, take_login=LoginLimiter(4).take))
        for _ in range(20):
            with pytest.raises(MailboxUnreachable):
                box.state("INBOX")
        assert 4 == server.connections


def allowed(fake: FakeRedmine, monkeypatch: pytest.MonkeyPatch, builds: int = 1, **more: Any) -> int:
    """How many logins the mailboxes of so many applications, one after the other, may make at once."""
    configs: list[MailboxConfig] = []

    def opened(config: MailboxConfig, **_known: object) -> MemoryMailbox:
        configs.append(config)
        return MemoryMailbox(fake.server, config.name)

    monkeypatch.setattr("redmine_mailbridge.wiring.mailboxes.open_mailbox", opened)
    taken = 0
    for _ in range(builds):
        application.build(fake.settings, **more).close()
        for config in configs:
            assert config.take_login is not None
            with contextlib.suppress(TooManyLogins):
                for _ in range(30):
                    config.take_login("x")
                    taken += 1
    return taken


@pytest.mark.fault("A11-D1")
def test_two_names_of_one_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two mailboxes that read two folders of one account have the logins of one account with two folders."""
    with open_fake_redmine(tmp_path, monkeypatch, boxes=("one", "two")) as fake:
        boxes = fake.settings.mailboxes
        two = boxes["two"].model_copy(update={"folders": ("Sales",), "username": boxes["one"].username})
        fake.settings = fake.settings.model_copy(update={"mailboxes": boxes | {"two": two}})
        assert fake.settings.mailboxes["one"].account == two.account
        assert 7 == allowed(fake, monkeypatch)


def test_copies_of_sent_mail_leave_the_limit_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two mailboxes of one account have as many logins where copies of sent mail are put into its Sent folder."""
    with open_fake_redmine(tmp_path, monkeypatch, boxes=("one", "two")) as fake:
        boxes, out = fake.settings.mailboxes, {"host": "smtp.example.com", "transport": "smtp", "save_sent": True}
        two = boxes["two"].model_copy(update={"folders": ("Sales",), "username": boxes["one"].username})
        more = {"mailboxes": boxes | {"two": two}, "outgoing": fake.settings.outgoing.model_copy(update=out)}
        fake.settings = fake.settings.model_copy(update=more)
        assert fake.settings.mailboxes["one"].outgoing.over(fake.settings.outgoing).copies
        assert 7 == allowed(fake, monkeypatch)


@pytest.mark.fault("A11-D2")
def test_logins_before_new_settings_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is made anew, for new settings or since the store's lock was lost, has no more logins for that."""
    from redmine_mailbridge.mailboxes.login_limit import LoginLimits

    with open_fake_redmine(tmp_path, monkeypatch, boxes=("one",)) as fake:
        assert 6 == allowed(fake, monkeypatch, builds=3, logins=LoginLimits())
