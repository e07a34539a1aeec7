"""Which tests run on which servers, how workers share them, and what is said of those that could not run."""

import contextlib
import os
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.servers.mariadb import CHARSETS

NOT_RUN = "needs real servers: "
CUSTOMISED = "-customised"
VERSIONS = [v.strip() for v in os.environ.get("MAILBRIDGE_TEST_REDMINE", "6.1").split(",") if v.strip()]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that needs Redmine runs on each version; one marked `databases` on MariaDB of each kind too, or on those
    that the mark names. One marked `customised` has a Redmine of its own, as teams have it.
    """
    if "servers" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker("databases")
    others = [f"-{name}" for name in (mark.args or CHARSETS)] if mark else []
    names = others if mark and mark.args else ["", *others]
    end = CUSTOMISED if metafunc.definition.get_closest_marker("customised") else ""
    params = [version + name + end for version in VERSIONS for name in names]
    metafunc.parametrize("servers", params, indirect=True, scope="session")


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


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--slow` lets those run too that need a clean Debian and minutes."""
    parser.addoption("--slow", action="store_true", default=False, help="run the tests marked slow, too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `newest` run on the last of the versions only, those that need a Redmine and a Dovecot with OAuth on
    two of one Debian; those marked `slow` run with --slow only.
    """
    left_out = {item for item in items if item.get_closest_marker("newest") and version_of(item) in VERSIONS[:-1]}
    left_out |= {item for item in items if len(versions_of(item)) > 1}
    left_out |= {item for item in items if not is_wanted(item)}
    if not config.getoption("slow"):
        left_out |= {item for item in items if item.get_closest_marker("slow")}
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
    return {params[name].partition("-")[0] for name in ("servers", "oauth_dovecot") if name in params}


def version_of(item: pytest.Item) -> str | None:
    """The version that all its servers are of, None when it needs none, or PostgreSQL alone."""
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
