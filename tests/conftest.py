"""What every test may ask for by name; see `tests/servers/fixtures.py`."""

from tests.mail_worlds import account
from tests.servers.fixtures import (
    dovecot,
    imap_proxy,
    mailbox,
    oauth_dovecot,
    openid,
    openid_server,
    postgresql_url,
    project,
    pytest_collection_modifyitems,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_xdist_make_scheduler,
    redmine,
    redmine_proxy,
    servers,
    small_mailbox,
)

__all__ = [
    "account",
    "dovecot",
    "imap_proxy",
    "mailbox",
    "oauth_dovecot",
    "openid",
    "openid_server",
    "postgresql_url",
    "project",
    "pytest_collection_modifyitems",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_xdist_make_scheduler",
    "redmine",
    "redmine_proxy",
    "servers",
    "small_mailbox",
]
