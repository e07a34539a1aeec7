"""Time entries put straight into Redmine's own database, and what that database sums up, asked in SQL alone."""

import datetime as dt
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import Random

HOURS = (0.25, 0.5, 1.0, 1.5, 2.75, 1 / 3, 20 / 60, 7 / 60, 59 / 60, 4 / 3)
"""Quarters, and minutes as Redmine keeps them: as fractions."""
GROUPS = {
    "issue": "t.issue_id",
    "project": "(SELECT identifier FROM projects p WHERE p.id = i.project_id)",
    "agent": "(SELECT firstname || ' ' || lastname FROM users u WHERE u.id = t.user_id)",
    "activity": "(SELECT name FROM enumerations e WHERE e.id = t.activity_id)",
    "month": "substr(t.spent_on, 1, 7)",
}


def database(directory: str) -> Path:
    """Given the servers' directory, return Redmine's SQLite file."""
    return Path(directory) / "redmine" / "redmine.sqlite3"


def insert(file: Path, count: int, issues: Sequence[int], users: Sequence[int], activities: Sequence[int]) -> None:
    """Given a database and what to choose from, insert so many time entries over two years."""
    chance = Random(1)
    with closing(sqlite3.connect(file, timeout=30)) as db, db:
        projects = dict(db.execute("SELECT id, project_id FROM issues"))
        rows = []
        for _ in range(count):
            issue, day = chance.choice(issues), dt.date(2025, 1, 1) + dt.timedelta(days=chance.randrange(660))
            user = chance.choice(users)
            made = f"{day} {chance.randrange(24):02}:{chance.randrange(60):02}:00.000000"
            rows.append((
                projects[issue], user, user, issue, chance.choice(HOURS), "", chance.choice(activities), str(day),
                day.year, day.month, day.isocalendar()[1], made, made,
            ))  # fmt: skip
        db.executemany(
            "INSERT INTO time_entries (project_id, user_id, author_id, issue_id, hours, comments, activity_id, "
            "spent_on, tyear, tmonth, tweek, created_on, updated_on) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
            rows,
        )


def execute(file: Path, statement: str, *values: object) -> None:
    """Given a database and a statement, carry it out."""
    with closing(sqlite3.connect(file, timeout=30)) as db, db:
        db.execute(statement, values)


def minutes(file: Path, by: str, issues: Sequence[int]) -> dict[str, int]:
    """Given a database and what to group by, return the whole minutes on these issues by group: SQL alone."""
    marks = ",".join("?" * len(issues))
    query = (
        f"SELECT {GROUPS[by]}, SUM(CAST(ROUND(t.hours * 60) AS INTEGER)) FROM time_entries t "  # noqa: S608 - our own words
        f"JOIN issues i ON i.id = t.issue_id WHERE t.issue_id IN ({marks}) GROUP BY 1"
    )
    with closing(sqlite3.connect(file, timeout=30)) as db:
        return {str(key): int(value) for key, value in db.execute(query, list(issues))}


def raw_hours(file: Path, issues: Sequence[int]) -> float:
    """Given a database, return the plain sum of its hours on these issues."""
    marks = ",".join("?" * len(issues))
    with closing(sqlite3.connect(file, timeout=30)) as db:
        query = f"SELECT SUM(hours) FROM time_entries WHERE issue_id IN ({marks})"  # noqa: S608 - our own words
        return float(db.execute(query, list(issues)).fetchone()[0] or 0.0)
