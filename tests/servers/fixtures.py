"""pytest fixtures: real servers on demand, a project and a mailbox of its own for each test, proxies that break.

`MAILBRIDGE_TEST_REDMINE=5.0,6.1` names the versions that every such test runs against (default 6.1), and
`MAILBRIDGE_TEST_DATABASE=mariadb` the database that all of them stand on (default sqlite; the tests that are marked
`databases` run on MariaDB of both kinds anyway); `selection.py` says what runs where. The servers start with the first
test that needs them and are ended with the session, by pid. To keep them between runs, start them yourself:
`scripts/services up --redmine 6.1 --dir .services/test-6.1` (`test-6.1-mariadb` for MariaDB); the tests then use those
and let them be. Where they cannot be had, the tests that need them are reported as NOT RUN, which fails the session if
CI is set.
"""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import dovecot as dovecot_server
from tests.servers import openid as openid_provider
from tests.servers import processes, services
from tests.servers.api import Api, fresh_project
from tests.servers.databases import SETTINGS
from tests.servers.dovecot import Mail
from tests.servers.mail import Mailbox
from tests.servers.openid import OpenId
from tests.servers.postgresql import PostgreSql
from tests.servers.proxy import FaultProxy
from tests.servers.selection import CUSTOMISED, NOT_RUN, VERSIONS
from tests.servers.trees import SUITES, Unavailable, ensure_tree, require_host

DATABASE = os.environ.get("MAILBRIDGE_TEST_DATABASE", "sqlite")


class Redmine:
    """A running Redmine: `seed` is state["redmine"] (ids, logins, keys), `admin` and `bridge` speak REST."""

    def __init__(self, state: services.State) -> None:
        self.state = state
        self.seed: dict[str, Any] = state["redmine"]
        self.url: str = self.seed["url"]
        self.port: int = self.seed["port"]
        self.version: str = state["version"]
        self.text_format: str = self.seed["text_format"]
        self.admin = Api(self.url, self.seed["admin"]["api_key"])
        self.bridge = Api(self.url, self.seed["bridge"]["api_key"])

    def api(self, login: str) -> Api:
        """Given a user's login, return REST in their name."""
        return Api(self.url, self.seed["users"][login]["api_key"])

    def fresh_project(self, *, public: bool = True) -> str:
        """Return the identifier of a new project (see `tests.servers.api.fresh_project`)."""
        return fresh_project(self.admin, self.seed, public=public)

    @contextlib.contextmanager
    def setting(self, **values: str) -> Iterator[None]:
        """Given settings of the whole Redmine (`attachment_extensions_allowed="txt"`), have them in this block."""
        before = self.admin.settings(**values)
        try:
            yield
        finally:
            self.admin.settings(**before)

    def stop(self) -> None:
        """End puma; `start` brings it back on the same port with the same data."""
        services.stop_redmine(self.state)

    def start(self) -> None:
        """Start puma again, or anew."""
        services.restart_redmine(self.state)

    def set_clock(self, ahead: float) -> None:
        """Set its clock so many seconds ahead of ours (of `clocked_redmine` only)."""
        services.set_clock(self.state, ahead)


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[services.State]:
    """The state of the servers of one Redmine version, "6.1", or with its database, "6.1-mariadb"; of a Redmine as
    teams have it with "-customised" behind.
    """
    customised = request.param.endswith(CUSTOMISED)
    version, _, database = request.param.removesuffix(CUSTOMISED).partition("-")
    database = database or DATABASE
    assert version in SUITES, f"MAILBRIDGE_TEST_REDMINE: {version} is none of {', '.join(SUITES)}"
    assert database in SETTINGS, f"MAILBRIDGE_TEST_DATABASE: {database} is none of {', '.join(SETTINGS)}"
    name = services.default_directory(version, database, customised=customised).name
    kept = services.load(services.CHECKOUT / ".services" / f"test-{name}")
    if kept is not None and all(processes.alive(process) for process in kept["processes"]):
        yield kept
        return
    remove_leftovers()
    directory = own_directory() / name
    try:
        yield services.up(version, directory, database, customised=customised)
    except Unavailable as why:
        pytest.skip(f"{NOT_RUN}{why}")
    finally:
        end_own(directory)


@pytest.fixture
def redmine(servers: services.State) -> Redmine:
    """The running Redmine."""
    return Redmine(servers)


@pytest.fixture(scope="session")
def clocked_servers(servers: services.State) -> Iterator[services.State]:
    """The state of one more Redmine over the same data, with a clock that tests set."""
    remove_leftovers()
    directory = own_directory() / f"clocked-{servers['version']}-{servers['database']}"
    try:
        yield services.beside(servers, directory)
    finally:
        end_own(directory)


@pytest.fixture
def clocked_redmine(clocked_servers: services.State) -> Iterator[Redmine]:
    """A Redmine with the same data as `redmine` has, whose clock the test sets (`set_clock`)."""
    found = Redmine(clocked_servers)
    yield found
    found.set_clock(0)


@pytest.fixture
def dovecot(servers: services.State) -> Mail:
    """The running Dovecot's ports, passwords and certificate authority."""
    mail: Mail = servers["dovecot"]
    return mail


@pytest.fixture(scope="session")
def openid_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenId]:
    """A real OpenID provider, for the whole session."""
    try:
        server = openid_provider.serve(tmp_path_factory.mktemp("openid"))
    except Unavailable as why:
        pytest.skip(f"{NOT_RUN}{why}")
    try:
        yield server
    finally:
        processes.end(server.process)


@pytest.fixture
def openid(openid_server: OpenId) -> OpenId:
    """The running OpenID provider, as it was at its start."""
    openid_server.reset()
    return openid_server


def read_only_tree(version: str, state: Path) -> Path:
    """Given a Redmine version, return the tree of its Debian, and make in `state` the places that are written to."""
    require_host()
    for place in ("tmp", "run"):
        (state / place).mkdir()
        (state / place).chmod(0o1777)
    state.chmod(0o755)
    return ensure_tree(SUITES[version])


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSql]:
    """A real PostgreSQL of the session's own."""
    state = tmp_path_factory.mktemp("postgresql")
    try:
        tree = read_only_tree(VERSIONS[0], state)
    except Unavailable as why:
        pytest.skip(f"{NOT_RUN}{why}")
    server = PostgreSql(tree, state)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def postgresql_url(postgresql: PostgreSql) -> str:
    """The address of an empty database on a real PostgreSQL."""
    return postgresql.fresh()


@pytest.fixture(scope="session", params=VERSIONS)
def oauth_dovecot(
    request: pytest.FixtureRequest, openid_server: OpenId, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mail]:
    """A Dovecot of its own, as that Redmine version's Debian has it, which asks the OpenID provider about tokens."""
    state = tmp_path_factory.mktemp("oauth-dovecot")
    try:
        tree = read_only_tree(request.param, state)
        process, mail = dovecot_server.serve(tree, state, openid_server.introspection)
    except Unavailable as why:
        pytest.skip(f"{NOT_RUN}{why}")
    try:
        yield mail
    finally:
        processes.end(process)


@pytest.fixture
def project(redmine: Redmine) -> str:
    """The identifier of a public project that only this test uses."""
    return redmine.fresh_project()


@pytest.fixture
def mailbox(dovecot: Mail) -> Mailbox:
    """An empty mailbox that only this test uses."""
    return Mailbox(dovecot, f"box-{uuid.uuid4().hex[:12]}@{dovecot['domain']}")


@pytest.fixture
def small_mailbox(dovecot: Mail) -> Mailbox:
    """An empty mailbox with a quota (`dovecot["quota_bytes"]`), so that appending and moving can be refused."""
    return Mailbox(dovecot, f"box-{uuid.uuid4().hex[:12]}@{dovecot['quota_domain']}")


@pytest.fixture
def redmine_proxy(redmine: Redmine) -> Iterator[FaultProxy]:
    """A proxy in front of Redmine (its `url` is the address for the bridge)."""
    with FaultProxy(redmine.port, "http") as proxy:
        yield proxy


@pytest.fixture
def imap_proxy(dovecot: Mail) -> Iterator[FaultProxy]:
    """A proxy in front of Dovecot's plain IMAP port."""
    with FaultProxy(dovecot["imap_port"], "line") as proxy:
        yield proxy


def own_directory() -> Path:
    """Return the directory of this session's servers."""
    return services.CHECKOUT / ".services" / f"pytest-{os.getpid()}"


def end_own(directory: Path) -> None:
    """End the servers in a directory of this session's, and remove it, and the session's own with the last."""
    services.down(directory, remove=True)
    with contextlib.suppress(OSError):
        own_directory().rmdir()


def remove_leftovers() -> None:
    """End and remove the servers of sessions that were killed before they could do so themselves."""
    for session in (services.CHECKOUT / ".services").glob("pytest-*"):
        pid = int(session.name.removeprefix("pytest-"))
        if processes.started_at(pid) is None:
            for directory in session.iterdir():
                if directory.is_dir():
                    services.down(directory, remove=True)
            shutil.rmtree(session, ignore_errors=True)
