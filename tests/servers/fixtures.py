"""pytest fixtures: real servers on demand, a project and a mailbox of its own for each test, proxies that break.

`MAILBRIDGE_TEST_REDMINE=5.0,6.1` names the versions that every such test runs against (default 6.1). The servers
start with the first test that needs them and are ended with the session, by pid. To keep them between runs, start
them yourself: `scripts/services up --redmine 6.1 --dir .services/test-6.1`; the tests then use those and let them be.
Where they cannot be had, the tests that need them are reported as NOT RUN, which fails the session if CI is set.
"""

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.servers import dovecot as dovecot_server
from tests.servers import openid as openid_provider
from tests.servers import postgresql as postgresql_server
from tests.servers import processes, services
from tests.servers.api import Api, fresh_project
from tests.servers.dovecot import Mail
from tests.servers.mail import Mailbox
from tests.servers.openid import OpenId
from tests.servers.proxy import FaultProxy
from tests.servers.trees import SUITES, Unavailable, ensure_tree, require_host

NOT_RUN = "needs real servers: "
VERSIONS = [v.strip() for v in os.environ.get("MAILBRIDGE_TEST_REDMINE", "6.1").split(",") if v.strip()]


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

    def stop(self) -> None:
        """End puma; `start` brings it back on the same port with the same data."""
        services.stop_redmine(self.state)

    def start(self) -> None:
        """Start puma again, or anew."""
        services.restart_redmine(self.state)

    def set_clock(self, ahead: float) -> None:
        """Set its clock so many seconds ahead of ours (of `clocked_redmine` only)."""
        services.set_clock(self.state, ahead)


@pytest.fixture(scope="session", params=VERSIONS)
def servers(request: pytest.FixtureRequest) -> Iterator[services.State]:
    """The state of the servers of one Redmine version."""
    version: str = request.param
    assert version in SUITES, f"MAILBRIDGE_TEST_REDMINE: {version} is none of {', '.join(SUITES)}"
    kept = services.load(services.CHECKOUT / ".services" / f"test-{version}")
    if kept is not None and all(processes.alive(process) for process in kept["processes"]):
        yield kept
        return
    remove_leftovers()
    directory = own_directory() / version
    try:
        yield services.up(version, directory)
    except Unavailable as why:
        pytest.skip(f"{NOT_RUN}{why}")
    finally:
        services.down(directory, remove=True)
        shutil.rmtree(own_directory(), ignore_errors=True)


@pytest.fixture
def redmine(servers: services.State) -> Redmine:
    """The running Redmine."""
    return Redmine(servers)


@pytest.fixture(scope="session")
def clocked_servers(servers: services.State) -> Iterator[services.State]:
    """The state of one more Redmine over the same data, with a clock that tests set."""
    directory = own_directory() / f"clocked-{servers['version']}"
    try:
        yield services.beside(servers, directory)
    finally:
        services.down(directory, remove=True)


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
def postgresql_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty database on a real PostgreSQL of its own."""
    state = tmp_path_factory.mktemp("postgresql")
    try:
        tree = read_only_tree(VERSIONS[0], state)
    except Unavailable as why:
        pytest.skip(f"{NOT_RUN}{why}")
    processes.end(postgresql_server.create(tree, state))
    port = processes.free_port()
    process = postgresql_server.serve(tree, state, port)
    try:
        yield f"postgresql+psycopg://redmine@127.0.0.1:{port}/redmine"
    finally:
        postgresql_server.end(process)


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


def remove_leftovers() -> None:
    """End and remove the servers of sessions that were killed before they could do so themselves."""
    for session in (services.CHECKOUT / ".services").glob("pytest-*"):
        pid = int(session.name.removeprefix("pytest-"))
        if processes.started_at(pid) is None:
            for directory in session.iterdir():
                if directory.is_dir():
                    services.down(directory, remove=True)
            shutil.rmtree(session, ignore_errors=True)


class OneWorkerAVersion(LoadScopeScheduling):
    """Where workers share the tests, a folder's tests that need one version go to one of them, so that servers start
    seldom. The others go to whoever has time. (xdist's own groups by a mark have no effect with pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        first = nodeid.partition("[")[2].rstrip("]").partition("-")[0]
        return f"{first} {nodeid.split('/')[1]}" if first in VERSIONS else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneWorkerAVersion:
    """How tests are shared among workers."""
    return OneWorkerAVersion(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `newest` run on the last of the versions only, those that need a Redmine and a Dovecot with OAuth on
    two of one Debian.
    """
    left_out = {item for item in items if item.get_closest_marker("newest") and version_of(item) in VERSIONS[:-1]}
    left_out |= {item for item in items if len(versions_of(item)) > 1}
    left_out |= {item for item in items if not is_wanted(item)}
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def is_wanted(item: pytest.Item) -> bool:
    """Note a test's faults in the report. Return whether `scripts/faults` wants this one, where it runs."""
    ids = {name for mark in item.iter_markers("fault") for name in mark.args}
    item.user_properties += [("fault", name) for name in sorted(ids)]
    wanted = {name for name in os.environ.get("MAILBRIDGE_TEST_FAULTS", "").split(",") if name}
    return not wanted or bool(ids & wanted)


def versions_of(item: pytest.Item) -> set[str]:
    """The Redmine versions (or those of whose Debian) that a test uses servers of."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    return {params[name] for name in ("servers", "oauth_dovecot") if name in params}


def version_of(item: pytest.Item) -> str | None:
    """The version that all its servers are of, None when it needs none."""
    if "postgresql_url" in getattr(item, "fixturenames", ()):
        return VERSIONS[0]
    return next(iter(versions_of(item)), None)


def not_run(reporter: Any) -> list[str]:
    """Given pytest's terminal reporter, return the reason of each test that could not have its servers."""
    reasons = [report.longrepr[2] for report in reporter.stats.get("skipped", []) if isinstance(report.longrepr, tuple)]
    return [reason.partition(NOT_RUN)[2] for reason in reasons if NOT_RUN in reason]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say loudly how many tests did not run, and why."""
    if reasons := not_run(terminalreporter):
        terminalreporter.section("NOT RUN", red=True, bold=True)
        terminalreporter.line(f"NOT RUN: {len(reasons)} tests need real servers: {reasons[0]}", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Under CI, tests that did not run fail the session."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if hasattr(session.config, "workerinput"):  # one of several workers: the one that collects their reports judges
        return
    ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    if ci and reporter is not None and not_run(reporter) and session.exitstatus in (0, 5):
        with contextlib.suppress(AttributeError):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
