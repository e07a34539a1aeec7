"""Compares what the bridge made of a mail with what Redmine's handler made of it."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from handler.bridge import Result
from handler.cases import Case
from handler.texts import Difference, composed, decoded, folded, text
from handler.world import World
from redmine_mailbridge.model.mail_state import State

ODD_LOGIN = re.compile(r"user[0-9a-f]{12}")
"""What Redmine calls a user whose address is no login."""
REASONS = {
    "anonymous": "better: the REST API cannot write as Anonymous; the ticket user writes and the text names who wrote",
    "inert": "better: what Redmine would bring to life (links, macros, markup) stands as it was written",
    "machine": "better: mail of machines that no person wrote is recorded, and makes no issue",
    "kept": "better: a file that Redmine drops is attached, or named in the issue",
    "notifications": "better: what machines tell becomes an issue, auto-replies and bounces do not; no answer goes out",
    "decoded": "better: a character that Redmine's handler cannot decode is decoded",
    "named": "better: a file that is not attached is named",
    "text": "better: a text that Redmine drops is kept",
    "dropped": "better: what Redmine drops without a word (an answer to what is gone, a refused value) is an issue",
    "stranger": "better: who takes no part in an issue reaches it by no number that he writes",
    "tag": "better: another system's tag opens no issue",
    "several": "better: a mail with several From addresses acts as none of them",
    "unpermitted": "better: who may not write there does not; the bridge's own user does, and names the sender",
    "strangers": "better: whom a mailbox accepts it serves in a private project too; the bridge's own user writes",
    "lenient": "better: a project is found by its name too, in any case",
    "rest": "as Redmine up to 5.0: the REST API lets nobody comment news; the mail is refused with that reason",
    "watchers": "better: users in Cc of a stranger's mail watch its issue",
    "groups": "better: a group that is missing is made",
    "formatting": "better: what an HTML mail sets apart (bold, lists, links) is kept as markup",
    "names": "better: a new user is named and called as its address says, in words that Redmine takes",
    "quoted": "better: of a reply, what the person wrote; the quoted rest is left out",
}
"""docs/admin/who-may-write.md lists each, under "Differences from Redmine's own mail handler"."""


@dataclass(frozen=True)
class Found:
    """same, better, different or not run, and why."""

    verdict: str
    why: str = ""


def judge(case: Case, result: Result, world: World) -> Found:
    """Given a case and what became of its mail, return the verdict."""
    differences = list(_differences(case, result, world))
    if not differences:
        return Found("same")
    if all(difference.better == "rest" for difference in differences):
        return Found("same", REASONS["rest"])
    meant = all(difference.better for difference in differences)
    why = "; ".join(dict.fromkeys(REASONS[d.better] if meant else d.what for d in differences))
    return Found("better", why.removeprefix("better: ")) if meant else Found("different", why)


def _differences(case: Case, result: Result, world: World) -> Iterator[Difference]:
    outcome, wanted = result.outcome, case.outcome
    noted = outcome.journal is not None or (wanted == "reply" and outcome.issue == case.told.get("issue_id"))
    made = "created" if result.new_issues else "reply" if noted else "ignored"
    if outcome.state not in {State.DONE, State.REFUSED}:
        yield Difference(f"it is {outcome.state.value}: {outcome.line}")
    elif made != wanted:
        yield Difference(f"{made} and not {wanted}: {outcome.line}", _meant(case, made, result))
    elif made == "created":
        yield from _issue(case, world.api.issue(result.new_issues[0]), world)
        yield from _user(case, world)
    elif made == "reply":
        yield from _reply(case, result, world)


def _meant(case: Case, made: str, result: Result) -> str:
    """Given another outcome than recorded, return the reason when it is meant."""
    return next((reason for reason, holds in _meant_ends(case, made, result) if holds), "")


def _meant_ends(case: Case, made: str, result: Result) -> Iterator[tuple[str, bool]]:
    """Yield each reason for which a mail may end otherwise than recorded, and whether it is that."""
    steps = " / ".join(result.steps)
    wanted, created, line = case.outcome, made == "created", result.outcome.line
    unknown = "no Redmine user" in steps and case.options.get("unknown_user") in {"accept", "create"}
    signs = ("left out", "sent again without", "no such issue", "lets nobody write", "the sender is not a participant")
    left_out = any(words in steps for words in signs)
    named = ("keyword line", "from the subaddress") if str(_project(case)).islower() else ("project",)
    by_machine = b"auto-generated" in case.mail.lower() + _change(case)
    older = "older: ignored" in str(case.told.get("version_note", ""))
    yield "machine", made == "ignored" and "accept_automatic" in line
    yield "stranger", wanted == "reply" and "the sender is not a participant" in steps
    yield "tag", wanted == "reply" and "another system's tag" in steps
    yield "several", made == "ignored" and wanted == "created" and "nothing proves" in line
    yield "dropped", made != "ignored" and wanted == "ignored" and left_out
    yield "notifications", made != "ignored" and wanted == "ignored" and by_machine
    yield "lenient", created and wanted == "ignored" and any(words in line for words in named)
    yield "strangers", created and wanted == "ignored" and unknown
    yield "rest", made == "ignored" and older


def _project(case: Case) -> Any:
    """The project that the options name; "none" without one."""
    return (case.options.get("issue") or {}).get("project") or "none"


def _change(case: Case) -> bytes:
    return str(case.told.get("mutation", "")).lower().encode()


def _issue(case: Case, issue: Mapping[str, Any], world: World) -> Iterator[Difference]:
    """Compare the new issue."""
    wanted = case.told["issue"]
    yield from _fields(wanted, issue)
    if not decoded(wanted["subject"], str(issue["subject"])):
        yield Difference("the subject", "decoded")
    elif folded(wanted["subject"]) != folded(str(issue["subject"])):
        yield Difference(f"subject {issue['subject']!r} and not {wanted['subject']!r}")
    if "watchers" in wanted:
        watching = sorted(world.login(one["id"]) for one in issue.get("watchers", ()))
        if sorted(wanted["watchers"]) != watching:
            more = "new_user" in case.told and set(wanted["watchers"]) <= set(watching)
            yield Difference(f"watchers {watching} and not {wanted['watchers']}", "watchers" if more else "")
    anonymous = wanted.get("author") == "ANONYMOUS"
    author = world.login(issue["author"]["id"])
    odd = ODD_LOGIN.fullmatch(str(wanted.get("author"))) is not None
    unpermitted = author == "mail-bridge" and bool(case.options.get("no_permission_check"))
    why = "anonymous" if anonymous else "names" if odd else "unpermitted" if unpermitted else ""
    if str(wanted.get("author")).lower() != author.lower():  # a login is the same in any case
        yield Difference(f"author {author}", why)
    yield from text(case, wanted["description"], str(issue.get("description") or ""), named=anonymous or unpermitted)
    yield from _files(wanted.get("attachments", []), issue.get("attachments", []), world)


def _fields(wanted: Mapping[str, Any], issue: Mapping[str, Any]) -> Iterator[Difference]:
    """Compare the new issue's fields."""
    shown = {name: str(issue.get(name, {}).get("name", "")) for name in ("tracker", "status", "priority", "category")}
    shown |= {name: str(issue.get(name, {}).get("name", "")) for name in ("assigned_to", "fixed_version")}
    for name, value in shown.items():
        if str(wanted.get(name) or "") != value:
            yield Difference(f"{name} {value!r} and not {wanted.get(name)!r}")
    plain = ("due_date", "estimated_hours", "is_private")
    for name in plain:
        if (wanted.get(name) or None) != (issue.get(name) or None):
            yield Difference(f"{name} {issue.get(name)!r} and not {wanted.get(name)!r}")
    if (wanted.get("done_ratio") or 0) != (issue.get("done_ratio") or 0):
        yield Difference(f"done_ratio {issue.get('done_ratio')}")
    if wanted.get("parent_id") != issue.get("parent", {}).get("id"):
        yield Difference(f"parent {issue.get('parent')}")
    starts = "TODAY" if issue.get("start_date") == str(issue["created_on"])[:10] else issue.get("start_date")
    if wanted.get("start_date") != starts:
        yield Difference(f"start_date {issue.get('start_date')!r} and not {wanted.get('start_date')!r}")
    if wanted["project"] != str(issue["project"]["name"]).lower():
        yield Difference(f"project {issue['project']['name']!r} and not {wanted['project']!r}")
    fields = {f["name"]: _set(f["value"]) for f in issue.get("custom_fields", ()) if f.get("value")}
    if {name: _set(value) for name, value in (wanted.get("custom_fields") or {}).items()} != fields:
        yield Difference(f"custom fields {fields} and not {wanted.get('custom_fields')}")


def _files(wanted: list[Mapping[str, Any]], ours: list[Mapping[str, Any]], world: World) -> Iterator[Difference]:
    """Compare the files by name and content; more than recorded are better. Line ends may be the mail's (CRLF)."""
    left = []
    for file in ours:
        content = world.file(file["content_url"])
        sums = {hashlib.sha256(bytes_).hexdigest() for bytes_ in (content, content.replace(b"\r\n", b"\n"))}
        left.append((composed(file["filename"]), sums))
    for file in wanted:
        name = composed(file["filename"])
        stem, dot, extension = name.rpartition(".")
        again = re.compile(re.escape(stem or extension) + r"(?:-\d+)?" + re.escape(dot + extension if stem else ""))
        found = next((one for one in left if again.fullmatch(one[0]) and file["sha256"] in one[1]), None)
        if found is None:
            yield Difference(f"no file {name!r} like the one recorded among {[one[0] for one in left]}")
        else:
            left.remove(found)
    if left:
        yield Difference(f"files more than recorded: {[one[0] for one in left]}", "kept")


def _reply(case: Case, result: Result, world: World) -> Iterator[Difference]:
    """Compare the note."""
    wanted, outcome = case.told.get("journal"), result.outcome
    if wanted is None or outcome.journal is None:
        if wanted is not None or outcome.journal is not None:
            yield Difference("one of them made no note", "text" if wanted is None else "")
        return
    if case.told["issue_id"] != outcome.issue:
        yield Difference(f"a note on #{outcome.issue} and not on #{case.told['issue_id']}")
        return
    issue = world.api.issue(outcome.issue)
    (journal,) = [one for one in issue["journals"] if one["id"] == outcome.journal]
    user = world.login(journal["user"]["id"])
    unpermitted = user == "mail-bridge" and (wanted["private"] or bool(case.options.get("no_permission_check")))
    if wanted["user"] != user:
        yield Difference(f"a note by {user} and not by {wanted['user']}", "unpermitted" if unpermitted else "")
    if wanted["private"] != bool(journal.get("private_notes")):
        yield Difference("it is not as private")
    told = {(d["property"], d["key"], d.get("old"), d.get("new")) for d in wanted["details"]}
    ours = {(d["property"], d["name"], d.get("old_value"), d.get("new_value")) for d in journal["details"]}
    if told != {detail for detail in ours if detail[0] != "attachment"}:
        yield Difference(f"changes {sorted(map(str, ours))} and not {sorted(map(str, told))}")
    logins = [world.login(w["id"]) for w in issue.get("watchers", ())]
    if sorted(case.told.get("watchers_after", [])) != sorted(logins):
        yield Difference(f"watchers {sorted(logins)} and not {case.told.get('watchers_after')}")
    yield from text(case, wanted["notes"], str(journal["notes"]), named=unpermitted, reply=True)


def _groups(case: Case) -> set[str]:
    return {name.strip() for name in str(case.options.get("default_group") or "").split(",") if name.strip()}


def _user(case: Case, world: World) -> Iterator[Difference]:
    """Compare the user that was made."""
    wanted = case.told.get("new_user")
    if not wanted:
        return
    ours = world.do("user", wanted["mail"])
    for name in ("login", "firstname", "lastname", "mail", "groups"):
        if ours is None or _uncased(name, wanted[name]) != _uncased(name, ours[name]):
            odd = name == "login" and ODD_LOGIN.fullmatch(wanted[name]) is not None
            turned = name.endswith("name") and bool(set(",@") & set(f"{wanted['firstname']} {wanted['lastname']}"))
            if ours is not None and (odd or turned):
                yield Difference(f"the new user's {name}", "names")
                continue
            if ours is not None and name == "groups" and set(ours[name]) == _groups(case):
                yield Difference("groups more than recorded", "groups")
                continue
            yield Difference(f"the new user's {name} is {ours and ours[name]!r} and not {wanted[name]!r}")


def _uncased(name: str, value: Any) -> Any:
    return value.lower() if name in ("login", "mail") else value


def _set(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value
