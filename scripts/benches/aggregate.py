"""10,000 time entries: is the aggregate what Redmine's own database sums up, and what does a run ask for?

Inserts them into a fresh Redmine's SQLite, reads them over the REST API, compares by issue, project, agent, activity
and month with SQL, and then counts the requests of one run after each kind of change, at 1,000 and at 10,000.
"""

import argparse
import datetime as dt
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import structlog

from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.stored_mail import Description
from redmine_mailbridge.reports.overview import overview
from redmine_mailbridge.reports.report import Period
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.wiring import aggregate, application
from tests.servers import hours, services
from tests.servers.api import Api

ISSUES = 60


def settings_file(folder: Path, redmine: dict[str, Any]) -> Path:
    """A settings file for the bridge between this Redmine and a mailbox that is never read."""
    file = folder / "settings.toml"
    file.write_text(
        f'[redmine]\nurl = "{redmine["url"]}"\napi_key = "{redmine["bridge"]["api_key"]}"\n'
        '[mailboxes.support]\naddress = "support@example.com"\nhost = "127.0.0.1"\npassword = "none"\n'
        'issue = { project = "support" }\n'
    )
    file.chmod(0o600)
    return file


def by_mail(made: application.Application, numbers: list[int]) -> None:
    """Have the store know these issues as made by mails."""
    for number in numbers:
        content = f"Subject: {number}\r\n\r\nx".encode()
        place = Location("support", "INBOX", "1", str(number))
        (row,) = made.store.keep([RawMail(Listed(place, len(content), dt.datetime.now(dt.UTC)), content)])
        sender = f"someone@client{number % 7}.example"
        made.store.describe([Description(row.id, f"m{number}@client.example", f"k{number}", sender, str(number))])
        made.store.done(row.id, "made for the measurement", issue=number, created=True)


def run(made: application.Application, *, rebuild: bool = False) -> tuple[int, int, float]:
    """One run. Return its requests, those for time entries, and its seconds."""
    task = made.hours
    before, start = made.client.requests, time.monotonic()
    result = task.once(threading.Event(), rebuild=rebuild)
    assert result.error is None, result.error
    return made.client.requests - before, task.last_read.requests, time.monotonic() - start


def compare(made: application.Application, file: Path, numbers: list[int]) -> bool:
    """Print, for each grouping, how many groups there are and how many differ. Return whether none does."""
    held, equal = aggregate.kept(made.settings, made.store), True
    for by in ("issue", "project", "agent", "activity", "month"):
        report = overview(held, by, Period()).report  # type: ignore[arg-type]  # one of the literals
        ours = {row.key: row.units_of_12s // 5 for row in report.rows if row.units_of_12s}
        theirs = hours.minutes(file, by, numbers)
        differ = sum(ours.get(key) != theirs.get(key) for key in ours.keys() | theirs.keys())
        equal = equal and not differ
        total, sql = sum(ours.values()) / 60, sum(theirs.values()) / 60
        print(f"  by {by:<9} {len(theirs):>4} groups  {differ:>3} differ   ours {total:>10.4f} h   SQL {sql:>10.4f} h")
    print(f"  plain SUM(hours) of Redmine's fractions {hours.raw_hours(file, numbers):>25.4f} h")
    return equal


def changes(made: application.Application, admin: Api, file: Path, numbers: list[int], activity: int) -> None:
    """Print what one run asks for after each kind of change, and whether it was right then."""

    def log() -> None:
        entry = {"issue_id": numbers[0], "hours": 1.25, "activity_id": activity}
        admin.call("POST", "/time_entries.json", {"time_entry": entry})

    def sql(statement: str) -> None:
        hours.execute(file, statement)

    third = "(SELECT id FROM time_entries ORDER BY id LIMIT 1 OFFSET (SELECT COUNT(*) / 3 FROM time_entries))"
    kinds = {
        "nothing": lambda: None,
        "one entry added": log,
        "one new entry edited": lambda: sql(
            "UPDATE time_entries SET hours = 7.5 WHERE id = (SELECT MAX(id) FROM time_entries)"
        ),
        "one old entry deleted": lambda: sql(f"DELETE FROM time_entries WHERE id = {third}"),  # noqa: S608 - our own words
        "one old entry edited": lambda: sql(f"UPDATE time_entries SET hours = 7.5 WHERE id = {third}"),  # noqa: S608 - likewise
    }
    for name, change in kinds.items():
        change()
        asked, entries, seconds = run(made)
        most, runs = entries, 1
        while hours.minutes(file, "issue", numbers) != _ours(made) and runs < 40:
            _, again, _ = run(made)
            most, runs = max(most, again), runs + 1
        right = hours.minutes(file, "issue", numbers) == _ours(made)
        print(
            f"  {name:<22} {asked:>3} requests ({entries:>2} for time entries) {seconds:>5.2f} s   "
            f"{'right' if right else 'WRONG'} after {runs} run{'s' if runs > 1 else ''}, at most {most} a run"
        )


def _ours(made: application.Application) -> dict[str, int]:
    report = overview(aggregate.kept(made.settings, made.store), "issue", Period()).report
    return {row.key: row.units_of_12s // 5 for row in report.rows if row.units_of_12s}


def measure(count: int, state: dict[str, Any], folder: Path) -> bool:
    """Fill up to so many entries, compare, change."""
    redmine = state["redmine"]
    file, admin = hours.database(state["dir"]), Api(redmine["url"], redmine["admin"]["api_key"])
    numbers = [issue["id"] for issue in admin.issues("support", created_on=">=2000-01-01")][:ISSUES]
    while len(numbers) < ISSUES:
        made_issue = admin.call("POST", "/issues.json", {"issue": {"project_id": "support", "subject": "A question"}})
        numbers.append(made_issue["issue"]["id"])
    users = [redmine["users"][login]["id"] for login in ("anna", "bob", "bridge")]
    hours.execute(file, "DELETE FROM time_entries")
    hours.insert(file, count, numbers, users, list(redmine["activities"].values()))
    folder.mkdir()
    made = application.build(load(settings_file(folder, redmine), {}))
    try:
        by_mail(made, numbers)
        asked, entries, seconds = run(made)
        print(f"{count:,} entries, read from nothing: {asked} requests ({entries} for time entries), {seconds:.1f} s")
        equal = compare(made, file, numbers)
        print(" one run after a change:")
        changes(made, admin, file, numbers, next(iter(redmine["activities"].values())))
        before = _ours(made)
        asked, entries, seconds = run(made, rebuild=True)
        same = before == _ours(made)
        print(f" --rebuild: {entries} requests for time entries, {seconds:.1f} s, {'the same' if same else 'OTHER'}")
        return equal and same
    finally:
        made.close()


def main() -> int:
    """Measure at both sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--redmine", default="6.1", help="the Redmine version")
    parser.add_argument("counts", nargs="*", type=int, default=[1_000, 10_000])
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory() as name:
        state = services.up(given.redmine, Path(name) / "servers")
        try:
            print(f"Redmine {state['redmine']['version']}, {ISSUES} issues by mail")
            results = [measure(count, state, Path(name) / str(count)) for count in given.counts]
        finally:
            services.down(Path(name) / "servers", remove=True)
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
