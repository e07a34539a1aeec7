"""The mails: found, told about, decided about."""

import datetime as dt
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from starlette.responses import Response

from redmine_mailbridge.model.stored_mail import MailRow
from redmine_mailbridge.store.queries.messages import MessageFilter
from redmine_mailbridge.tasks.receive.admin_decisions import Decision, decide, hurry, possible
from redmine_mailbridge.tasks.receive.history import Story, raw_of, story
from redmine_mailbridge.util.spreadsheet import Cell, as_csv
from redmine_mailbridge.web import formatting
from redmine_mailbridge.web.request import Call, whole

PAGE = 50
ISSUES = 2**31 - 1
"""The largest number that an issue of Redmine can have."""
EXPORTED = 100_000
OUTCOMES = ("kept", "writing", "done", "ignored", "held", "refused", "aside")
WAITING = ("kept", "writing")
FAILED = ("refused", "aside")
NOT_IMPORTED = ("held", "refused", "aside", "ignored")
STYLE = (Path(__file__).parents[1] / "static" / "mail.css").read_text("utf-8")
FRAME = (
    f"default-src 'none'; img-src data:; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "sandbox; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""The policy of a stranger's mail: no script, nothing from anywhere, one style of ours."""


def search(call: Call) -> Response:
    """The mails that fit, newest first."""
    rows = call.desk.archive.messages(_wanted(call, _outcomes(call), PAGE + 1))
    return _list(call, "messages.html", "Messages", rows, choices=("", "waiting", *OUTCOMES))


def not_imported(call: Call) -> Response:
    """The mails that became nothing in Redmine, each with its reason."""
    rows = call.desk.archive.messages(_wanted(call, _left(call), PAGE + 1))
    return _list(call, "not_imported.html", "Not imported", rows, choices=("", *NOT_IMPORTED))


def export(call: Call) -> Response:
    """What was not imported, as CSV for a spreadsheet."""
    lines: list[Sequence[Cell]] = [("id", "kept", "mailbox", "state", "sender", "subject", "reason")]
    for row in call.desk.archive.messages(_wanted(call, _left(call), EXPORTED)):
        kept = dt.datetime.fromtimestamp(row.kept_at, call.zone).isoformat(" ", "seconds")
        state = formatting.state_of(row.state, row.issue)
        lines.append((row.id, kept, row.location.mailbox, state, row.sender or "", row.subject or "", row.reason or ""))
    headers = {"Content-Disposition": 'attachment; filename="not-imported.csv"'}
    return Response(as_csv(lines), headers=headers, media_type="text/csv; charset=utf-8")


def show(call: Call) -> Response:
    """One mail: each step, what went to Redmine, and the mail itself."""
    told = _story(call)
    if told is None:
        return missing(call)
    raw = raw_of(call.desk.store, told.row)
    files = told.message.attachments if told.message else ()
    blocked = call.desk.seen.original(raw, files).blocked if raw is not None and told.message else 0
    return call.render(
        "message.html",
        title=told.row.subject or call.words("(no subject)"),
        told=told,
        row=told.row,
        possible=possible(told.row),
        blocked=blocked,
        has_raw=raw is not None,
        redmine=call.desk.settings.redmine.url,
    )


def frame(call: Call) -> Response:
    """The mail as its sender meant it to look, harmless, for the sandboxed frame."""
    told = _story(call)
    raw = raw_of(call.desk.store, told.row) if told else None
    if told is None or raw is None:
        return missing(call)
    return framed(call, call.desk.seen.original(raw, told.message.attachments if told.message else ()).html)


def framed(call: Call, html: str) -> Response:
    """Given HTML from outside, sanitised, return it as the page of a sandboxed frame."""
    answer = call.render("original.html", html=html, style=STYLE)
    answer.headers["Content-Security-Policy"] = FRAME
    answer.headers["X-Frame-Options"] = "SAMEORIGIN"
    return answer


def raw(call: Call) -> Response:
    """The mail's bytes, to keep."""
    told = _story(call)
    content = raw_of(call.desk.store, told.row) if told else None
    if told is None or content is None:
        return missing(call)
    return download(content, f"mail-{told.row.id}.eml")


def attachment(call: Call) -> Response:
    """One attachment, to keep: never shown by the browser."""
    told = _story(call)
    number = int(call.request.path_params["number"])
    files = told.message.attachments if told and told.message else ()
    if number >= len(files):
        return missing(call)
    return download(b"".join(files[number].chunks()), files[number].name)


def decision(call: Call) -> Response:
    """Carry out what was decided about one mail or many."""
    ids = call.typed_numbers("id")
    word, issue = call.typed("decision"), call.typed("issue").lstrip("#")
    if word not in set(Decision) or not ids:
        return call.back(call.words("Nothing was ticked, so nothing was done."), "/messages")
    if word == Decision.FILE and not whole(issue, ISSUES):
        return call.back(call.words("Type the number of the issue that takes it."), "/messages")
    results = list(
        decide(
            call.desk.store,
            ids,
            Decision(word),
            by=call.who,
            issue=whole(issue, ISSUES) if word == Decision.FILE else None,
            project=call.typed("project") or None,
            subject=call.typed("subject") or None,
        )
    )
    done = [str(one.id) for one in results if one.ok]
    if done:
        hurry(call.desk.store, [one.id for one in results if one.ok])
        call.audit(word, f"{', '.join(done)}{f' to #{issue}' if word == Decision.FILE else ''}")
    lines = [f"{one.id}: {call.words(one.words)}" for one in results[:10]]
    if len(results) > len(lines):
        lines.append(call.words("… and {n} more", n=len(results) - len(lines)))
    return call.back("\n".join(lines), "/messages")


def download(content: bytes, name: str) -> Response:
    """Given bytes from outside and their name, return them as a file that no browser opens in place."""
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return Response(content, headers=headers, media_type="application/octet-stream")


def missing(call: Call) -> Response:
    """There is no such mail, or its bytes are gone."""
    reason = call.words("There is no such mail, or its bytes are not kept any more.")
    return call.render("error.html", 404, title=call.words("Not found"), reason=reason)


def _story(call: Call) -> Story | None:
    desk = call.desk
    return story(desk.store, desk.archive, desk.seen.read, int(call.request.path_params["id"]))


def _list(call: Call, template: str, title: str, rows: Sequence[MailRow], *, choices: Sequence[str]) -> Response:
    older = rows[PAGE - 1].id if len(rows) > PAGE else None
    given = {
        name: call.query(name)
        for name in ("outcome", "mailbox", "sender", "subject", "issue", "since", "until")
        if call.query(name)
    }
    return call.render(template, title=call.words(title), rows=rows[:PAGE], older=older, given=given, choices=choices)


def _outcomes(call: Call) -> tuple[str, ...]:
    word = call.query("outcome")
    return WAITING if word == "waiting" else (word,) if word in OUTCOMES else ()


def _left(call: Call) -> tuple[str, ...]:
    word = call.query("outcome")
    return FAILED if word == "failed" else (word,) if word in NOT_IMPORTED else NOT_IMPORTED


def _wanted(call: Call, outcomes: Sequence[str], limit: int) -> MessageFilter:
    return MessageFilter(
        outcomes=outcomes,
        mailbox=call.query("mailbox") or None,
        sender=call.query("sender") or None,
        subject=call.query("subject") or None,
        issue=whole(call.query("issue").lstrip("#"), ISSUES),
        since=_day(call, "since"),
        until=_day(call, "until", days=1),
        before=call.number("before"),
        limit=limit,
    )


def _day(call: Call, name: str, days: int = 0) -> float | None:
    """A day of the address as epoch seconds in the viewer's zone, so many days later."""
    try:
        day = dt.date.fromisoformat(call.query(name)) + dt.timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return dt.datetime.combine(day, dt.time(), tzinfo=call.zone).timestamp()
