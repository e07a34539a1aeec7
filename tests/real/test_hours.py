"""The aggregate on a real Redmine: the same hours as its own database sums up, after every kind of change."""

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.reports.overview import overview
from redmine_mailbridge.reports.report import By, Period
from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.wiring import aggregate
from tests.product import Product, mail, product
from tests.servers import hours
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

pytestmark = pytest.mark.real


@dataclass(slots=True)
class Desk:
    bridge: Product
    redmine: Redmine
    issues: list[int]

    @property
    def file(self) -> Path:
        return hours.database(self.redmine.state["dir"])

    def log(self, issue: int, spent: Any, **more: Any) -> int:
        """Log time as an agent does. Return the entry's number."""
        activity = next(iter(self.redmine.seed["activities"].values()))
        entry = {"issue_id": issue, "hours": spent, "activity_id": activity} | more
        found = self.redmine.admin.call("POST", "/time_entries.json", {"time_entry": entry})
        return int(found["time_entry"]["id"])

    def run(self, *, rebuild: bool = False) -> TaskStepResult:
        with self.bridge.application() as made:
            result = made.hours.once(threading.Event(), rebuild=rebuild)
        assert result.error is None
        return result

    def minutes(self, by: By) -> dict[str, int]:
        with self.bridge.application() as made:
            report = overview(aggregate.kept(made.settings, made.store), by, Period()).report
        return {
            row.label if by == "agent" else row.key: row.units_of_12s // 5 for row in report.rows if row.units_of_12s
        }

    def copied(self) -> list[object]:
        """What is held of the issues and their histories, but for when it was looked at."""
        with self.bridge.application() as made:
            issues = IssueCopy(made.store.database, made.store.clock)
            return [*(replace(row, seen_at=0.0, settled=True) for row in issues.issues()), *issues.journals()]

    def truth(self, by: By) -> dict[str, int]:
        return hours.minutes(self.file, by, self.issues)


@pytest.fixture
def desk(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str) -> Desk:
    bridge = product(tmp_path, redmine, mailbox, project)
    for number in range(3):
        mailbox.deliver(mail(f"Question {number}"))
    issues = sorted(outcome.issue for outcome in bridge.receive() if outcome.issue)
    assert 3 == len(issues)
    return Desk(bridge, redmine, issues)


def test_hours_are_those_of_redmines_own_database(desk: Desk, project: str) -> None:
    """After logging, editing, moving and deleting, increments equal SQL, and so does reading all anew."""
    stranger = desk.redmine.admin.call("POST", "/issues.json", {"issue": {"project_id": project, "subject": "x"}})
    elsewhere = int(stranger["issue"]["id"])
    first = desk.log(desk.issues[0], "1:20")
    moved = desk.log(elsewhere, 2)
    desk.log(elsewhere, 8)
    desk.log(desk.issues[1], "0:07")
    desk.log(desk.issues[1], "20m", spent_on="2025-12-31")
    desk.run()
    for by in ("issue", "project", "agent", "activity", "month"):
        assert desk.truth(by) == desk.minutes(by)
    api = desk.redmine.admin
    api.call("PUT", f"/time_entries/{first}.json", {"time_entry": {"hours": "2h45"}})
    api.call("PUT", f"/time_entries/{moved}.json", {"time_entry": {"issue_id": desk.issues[2]}})
    deleted = desk.log(desk.issues[2], 5)
    desk.run()
    api.call("DELETE", f"/time_entries/{deleted}.json")
    desk.run()
    api.call("PUT", f"/issues/{desk.issues[0]}.json", {"issue": {"notes": "We look.", "status_id": 2}})
    desk.run()
    incremental, copied = desk.minutes("issue"), desk.copied()
    desk.run(rebuild=True)
    assert desk.truth("issue") == incremental == desk.minutes("issue")
    assert copied == desk.copied()


@pytest.mark.fault("O14")
def test_a_deleted_issue_counts_no_longer(desk: Desk) -> None:
    """An issue that was deleted in Redmine is in no report and no backlog after the next run, without a rebuild; the
    others stay.
    """
    desk.run()
    kept, gone = desk.issues[:2], desk.issues[2]
    desk.redmine.admin.call("DELETE", f"/issues/{gone}.json")
    desk.run()
    with desk.bridge.application() as made:
        found = aggregate.kept(made.settings, made.store)
        assert (kept, kept) == (sorted(found.timelines()), sorted(found.results.all()))


def test_entries_come_in_the_order_of_their_numbers_page_by_page(desk: Desk) -> None:
    """Redmine sorts by number when the sort is one that it does not know, whatever the times are."""
    seed = desk.redmine.seed
    users = [seed["users"]["anna"]["id"], seed["users"]["bob"]["id"]]
    hours.insert(desk.file, 350, desk.issues, users, list(seed["activities"].values()))
    desk.run()
    for by in ("issue", "agent", "activity", "month"):
        assert desk.truth(by) == desk.minutes(by)
    hours.execute(desk.file, "DELETE FROM time_entries WHERE id = (SELECT MIN(id) + 20 FROM time_entries "
                  "WHERE issue_id = ?)", desk.issues[0])  # fmt: skip
    desk.run()
    assert desk.truth("issue") == desk.minutes("issue")


def test_a_custom_field_is_written_when_the_value_changes(desk: Desk) -> None:
    """The field takes the hours, is not written again while they stay, and a field that is not there is named."""
    desk.bridge.change({"aggregate": {"issue_fields": {"hours": "Requester", "mails_in": "No such field"}}})
    desk.log(desk.issues[0], "1:30")
    assert 3 == desk.run().failed
    fields = {one["name"]: one["value"] for one in desk.redmine.admin.issue(desk.issues[0])["custom_fields"]}
    assert "1.50" == fields["Requester"]
    journals = len(desk.redmine.admin.issue(desk.issues[0])["journals"])
    assert 0 == desk.run().failed
    assert journals == len(desk.redmine.admin.issue(desk.issues[0])["journals"])


def test_a_budget_warns_once_at_each_threshold(desk: Desk, project: str) -> None:
    """80 percent make a mail, the same again none, 100 percent another."""
    desk.bridge.change({
        "outgoing": {"transport": "console", "from_address": "desk@example.com"},
        "budgets": [{"name": "Client", "project": project, "hours": 10, "warn": ["boss@example.com"]}],
    })  # fmt: skip
    queued = []
    for spent in (8, "0:06", 2):
        desk.log(desk.issues[0], spent)
        desk.run()
        with desk.bridge.application() as made:
            queued.append(sum(Outbox(made.store.database, made.store.clock).waiting().values()))
    assert [1, 1, 2] == queued


def test_the_commands(desk: Desk, tmp_path: Path) -> None:
    """`aggregate` computes and counts its requests; `report` gives every format, the page into a file."""
    desk.log(desk.issues[0], "2:30")
    done = desk.bridge.quick("aggregate")
    assert 0 == done.exit_code, done.output
    assert "1 time entries stored" in done.output
    desk.log(desk.issues[1], 4)
    assert 0 == desk.bridge.quick("tasks", "run", "aggregate").exit_code
    assert "6.50" in desk.bridge.quick("report").output
    assert '"hours": "6.50"' in desk.bridge.quick("report", "--by", "agent", "--format", "json").output
    page = tmp_path / "report.html"
    wrong = desk.bridge.quick("report", "--from", "2026-02-01", "--to", "2026-01-01")
    assert (2, True) == (wrong.exit_code, "--to must not be before --from" in wrong.output)
    assert 0 == desk.bridge.quick("report", "--by", "customer", "--format", "html", "--output", str(page)).exit_code
    assert "elsewhere.example" in page.read_text("utf-8")
