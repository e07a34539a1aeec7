"""The messages: the list, the history of one, decisions."""

import datetime as dt
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from starlette.responses import Response

from redmine_mailbridge.errors import RedmineError
from redmine_mailbridge.store.queries.search import MessageFilter, SearchResult
from redmine_mailbridge.tasks.receive.admin_decisions import Decision, decide, hurry, possible
from redmine_mailbridge.tasks.receive.history import MessageHistory, history_of, raw_of
from redmine_mailbridge.tasks.receive.requester_decisions import set_requester, undo_requester
from redmine_mailbridge.util.spreadsheet import Cell, as_csv
from redmine_mailbridge.util.suggest import closest
from redmine_mailbridge.web import formatting
from redmine_mailbridge.web.request import PageRequest, whole

PAGE = 50
SEARCH_SECONDS = 0.06
"""How long a page looks for a subject; then it says how far back it looked."""
ISSUES = 2**31 - 1
"""The largest number that an issue of Redmine can have."""
EXPORTED = 100_000
OUTCOMES = ("stored", "write_pending", "done", "ignored", "held", "rejected", "failed")
WAITING = ("stored", "write_pending")
FAILED = ("rejected", "failed")
NOT_IMPORTED = ("held", "rejected", "failed", "ignored")
STYLE = (Path(__file__).parents[1] / "static" / "mail.css").read_text("utf-8")
FRAME = (
    f"default-src 'none'; img-src data:; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "sandbox; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""The policy of a stranger's mail: no script, nothing from anywhere, one built-in style."""


def search(call: PageRequest) -> Response:
    """The mails that fit, newest first."""
    matching = call.context.message_queries.search(_filter_of(call, _outcomes(call), PAGE + 1), within=SEARCH_SECONDS)
    return _list(call, "messages.html", "Messages", matching, choices=("", "waiting", *OUTCOMES))


def not_imported(call: PageRequest) -> Response:
    """The mails that became nothing in Redmine, each with its reason."""
    matching = call.context.message_queries.search(
        _filter_of(call, _not_imported_outcomes(call), PAGE + 1), within=SEARCH_SECONDS
    )
    return _list(call, "not_imported.html", "Not imported", matching, choices=("", *NOT_IMPORTED))


def export(call: PageRequest) -> Response:
    """What was not imported, as CSV for a spreadsheet."""
    lines: list[Sequence[Cell]] = [("id", "kept", "mailbox", "state", "sender", "subject", "reason")]
    for row in call.context.message_queries.messages(_filter_of(call, _not_imported_outcomes(call), EXPORTED)):
        kept = dt.datetime.fromtimestamp(row.kept_at, call.zone).isoformat(" ", "seconds")
        state = formatting.state_of(row.state, row.issue)
        lines.append((row.id, kept, row.location.mailbox, state, row.sender or "", row.subject or "", row.reason or ""))
    headers = {"Content-Disposition": 'attachment; filename="not-imported.csv"'}
    return Response(as_csv(lines), headers=headers, media_type="text/csv; charset=utf-8")


def show(call: PageRequest) -> Response:
    """One mail: each step, what went to Redmine, and the mail itself."""
    history = _story(call)
    if history is None:
        return missing(call)
    raw = raw_of(call.context.store, history.row)
    files = history.message.attachments if history.message else ()
    blocked = call.context.seen.original(raw, files).blocked if raw is not None and history.message else 0
    return call.render(
        "message.html",
        title=history.row.subject or call.words("(no subject)"),
        history=history,
        timeline=[(step.at, call.step(step.line)) for step in sorted(history.steps, key=lambda entry: entry.at)],
        row=history.row,
        possible=possible(call.context.store, history.row),
        requester=call.context.store.requesters.current(history.row.id),
        set_by_hand=call.context.store.requesters.last(history.row.id),
        blocked=blocked,
        has_raw=raw is not None,
        redmine=call.context.settings.redmine.url,
    )


def frame(call: PageRequest) -> Response:
    """The mail as its sender meant it to look, harmless, for the sandboxed frame."""
    history = _story(call)
    raw = raw_of(call.context.store, history.row) if history else None
    if history is None or raw is None:
        return missing(call)
    return framed(call, call.context.seen.original(raw, history.message.attachments if history.message else ()).html)


def framed(call: PageRequest, html: str) -> Response:
    """Given HTML from outside, sanitised, return it as the page of a sandboxed frame."""
    answer = call.render("original.html", html=html, style=STYLE)
    answer.headers["Content-Security-Policy"] = FRAME
    answer.headers["X-Frame-Options"] = "SAMEORIGIN"
    return answer


def raw(call: PageRequest) -> Response:
    """The mail's bytes, to keep."""
    history = _story(call)
    content = raw_of(call.context.store, history.row) if history else None
    if history is None or content is None:
        return missing(call)
    return download(content, f"mail-{history.row.id}.eml")


def attachment(call: PageRequest) -> Response:
    """One attachment, to keep: never shown by the browser."""
    history = _story(call)
    number = int(call.request.path_params["number"])
    files = history.message.attachments if history and history.message else ()
    if number >= len(files):
        return missing(call)
    return download(b"".join(files[number].chunks()), files[number].name)


def decision(call: PageRequest) -> Response:
    """Carry out what was decided about one mail or many."""
    ids = call.typed_numbers("id")
    word, issue = call.typed("decision"), call.typed("issue").lstrip("#")
    if word not in set(Decision) or not ids:
        return call.back(call.words("Select at least one mail first."), "/messages")
    if word == Decision.FILE and not whole(issue, ISSUES):
        return call.back(call.words("Enter the number of the issue."), "/messages")
    if word in {Decision.IMPORT, Decision.NEW} and (wrong := _wrong_project(call)):
        return call.back(wrong, "/messages")
    results = list(
        decide(
            call.context.store,
            call.context.message_queries,
            ids,
            Decision(word),
            by=call.who,
            issue=whole(issue, ISSUES) if word == Decision.FILE else None,
            project=call.typed("project") or None,
            subject=call.typed("subject") or None,
        )
    )
    done = [str(result.id) for result in results if result.ok]
    if done:
        hurry(call.context.message_queries, call.context.book, [result.id for result in results if result.ok])
        to = f"#{issue}" if word == Decision.FILE else call.typed("project") * (word in {Decision.IMPORT, Decision.NEW})
        call.audit(word, f"{', '.join(done)}{f' to {to}' if to else ''}")
    lines = []
    for result in results[:10]:
        words = "; ".join(map(call.words, filter(None, (result.words, result.hint))))
        lines.append(f"{result.id}: {words}")
    if len(results) > len(lines):
        lines.append(call.words("… and {n} more", n=len(results) - len(lines)))
    return call.back("\n".join(lines), "/messages")


def requester(call: PageRequest) -> Response:
    """Set the requester of a message's issue, or restore the one from before."""
    (number, *_), store = (*call.typed_numbers("id"), 0), call.context.store
    if call.typed("decision") == "undo":
        result = undo_requester(store, number, by=call.who)
        who = store.requesters.current(number)[0] if result.ok else call.words("Requester")
    else:
        who, ours = call.typed("address"), call.context.settings.own_addresses
        if not who:
            return call.back(call.words("Enter an address."), "/messages")
        result = set_requester(store, number, who, call.typed("name"), by=call.who, ours=ours)
    if result.ok:
        call.audit("undo requester" if call.typed("decision") == "undo" else "requester", f"#{result.issue}: {who}")
    return call.back(f"{who}: {call.words(result.words)}", "/messages")


def _wrong_project(call: PageRequest) -> str:
    """Why the project that was typed takes no issue, "" when it does, none was typed, or Redmine does not answer now:
    then the mail itself is held with the reason.
    """
    typed = call.typed("project")
    try:
        project = call.context.metadata.project(typed) if typed else None
        names = call.context.metadata.project_names() if typed and project is None else {}
    except RedmineError:
        return ""
    if not typed or (project is not None and project.active and project.issue_tracking):
        return ""
    if project is not None:
        wrong = (
            "Project {name} is closed: no issue can be added."
            if not project.active
            else ("Project {name} has no issue tracking: enable that module in Redmine, or choose another project.")
        )
        return call.words(wrong, name=project.identifier)
    guess = closest(typed, names)
    wrong = call.words("Nothing was imported: Redmine shows no project “{name}” to the API key.", name=typed)
    return f"{wrong} {call.words('Did you mean {name}?', name=names[guess])}" if guess else wrong


def download(content: bytes, name: str) -> Response:
    """Given bytes from outside and their name, return them as a file that no browser opens in place."""
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return Response(content, headers=headers, media_type="application/octet-stream")


def missing(call: PageRequest) -> Response:
    """The message does not exist, or its original has been deleted."""
    reason = call.words("This mail does not exist, or its original is no longer stored.")
    return call.render("error.html", 404, title=call.words("Not found"), reason=reason)


def _story(call: PageRequest) -> MessageHistory | None:
    context = call.context
    return history_of(
        context.store, context.message_queries, context.outbox, context.seen.read, int(call.request.path_params["id"])
    )


def _list(call: PageRequest, template: str, title: str, matching: SearchResult, *, choices: Sequence[str]) -> Response:
    rows = matching.rows
    older = rows[PAGE - 1].id if len(rows) > PAGE else None
    filters = {
        name: call.query(name)
        for name in ("outcome", "mailbox", "sender", "subject", "issue", "since", "until")
        if call.query(name)
    }
    return call.render(
        template,
        title=call.words(title),
        rows=rows[:PAGE],
        older=older,
        unsearched=matching.before,
        searched_since=matching.since,
        filters=filters,
        choices=choices,
    )


def _outcomes(call: PageRequest) -> tuple[str, ...]:
    word = call.query("outcome")
    return WAITING if word == "waiting" else (word,) if word in OUTCOMES else ()


def _not_imported_outcomes(call: PageRequest) -> tuple[str, ...]:
    word = call.query("outcome")
    return FAILED if word == "failed" else (word,) if word in NOT_IMPORTED else NOT_IMPORTED


def _filter_of(call: PageRequest, outcomes: Sequence[str], limit: int) -> MessageFilter:
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


def _day(call: PageRequest, name: str, days: int = 0) -> float | None:
    """A day of the address as epoch seconds in the viewer's zone, so many days later."""
    try:
        day = dt.date.fromisoformat(call.query(name)) + dt.timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return dt.datetime.combine(day, dt.time(), tzinfo=call.zone).timestamp()
