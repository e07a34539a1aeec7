"""What every test may ask for by name; see `tests/servers/fixtures.py`; which tests run: `selection.py`."""

from tests.mail_worlds import account
from tests.servers.fixtures import (
    clocked_redmine,
    clocked_servers,
    dovecot,
    imap_proxy,
    mailbox,
    oauth_dovecot,
    openid,
    openid_server,
    postgresql,
    postgresql_url,
    project,
    redmine,
    redmine_proxy,
    servers,
    small_mailbox,
)
from tests.servers.selection import (
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_generate_tests,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_xdist_make_scheduler,
)

__all__ = [
    "account",
    "clocked_redmine",
    "clocked_servers",
    "dovecot",
    "imap_proxy",
    "mailbox",
    "oauth_dovecot",
    "openid",
    "openid_server",
    "postgresql",
    "postgresql_url",
    "project",
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_generate_tests",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_xdist_make_scheduler",
    "redmine",
    "redmine_proxy",
    "servers",
    "small_mailbox",
]
