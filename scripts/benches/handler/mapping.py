"""The options and settings of Redmine's handler as settings of the bridge, and what a case changes beforehand."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from handler.cases import Case
from handler.world import World

OWN = "redmine@somewhere.example"
ISSUE = {
    "project": "project",
    "tracker": "tracker",
    "status": "status",
    "priority": "priority",
    "category": "category",
    "assigned_to": "assignee",
    "fixed_version": "version",
}
OURS = ("mail_handler_", "mail_from", "default_language")
Steps = Callable[[World, bytes], bytes]


def mailbox_settings(case: Case, mail_from: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Given a case and the address that its Redmine sends from where the case tells none, return the mailbox's table
    and Redmine's as the bridge's settings have them.
    """
    options, given = case.options, case.settings
    issue: dict[str, Any] = {"trust": "any", "unknown_sender": options.get("unknown_user") or "ignore"}
    for theirs, ours in ISSUE.items():
        if (options.get("issue") or {}).get(theirs):
            issue[ours] = options["issue"][theirs]
    issue["private"] = _on((options.get("issue") or {}).get("is_private"))
    allowed = options.get("allow_override") or []
    names = allowed.split(",") if isinstance(allowed, str) else list(allowed)
    # Redmine lets a mail name its project wherever the options name none
    issue["allow_override"] = [*names, *([] if "project" in issue else ["project"])]
    issue["check_permissions"] = not _on(options.get("no_permission_check"))
    # a stranger's keyword lines count with Redmine as well
    issue["keywords_from"] = "anyone"
    subaddress = options.get("project_from_subaddress")
    issue["project_from_subaddress"] = bool(subaddress)
    groups = [name.strip() for name in str(options.get("default_group") or "").split(",") if name.strip()]
    notice = "none" if _on(options.get("no_account_notice")) else "redmine"
    box = {
        "address": subaddress or OWN,
        "start_from": "all",
        "issue": issue,
        "reading": _reading(given),
        "senders": {"locked": "ignore", "create": {"login": "address", "notice": notice, "groups": groups}},
    }
    redmine = {"language": str(given.get("default_language") or "en")}
    if given.get("text_formatting"):
        redmine["text_format"] = "textile" if given["text_formatting"] == "textile" else "common_mark"
    if sender := _address(str(given.get("mail_from") or mail_from)):
        redmine["mail_from"] = sender
    return box, redmine


def redmine_settings(case: Case) -> dict[str, Any]:
    """Given a case, return the settings that Redmine itself needs, those of its handler being ours."""
    return {name: value for name, value in case.settings.items() if not name.startswith(OURS)}


def _reading(given: Mapping[str, Any]) -> dict[str, Any]:
    lines = [
        line for line in re.split(r"[\r\n]+", str(given.get("mail_handler_body_delimiters") or "")) if line.strip()
    ]
    names = [n.strip() for n in str(given.get("mail_handler_excluded_filenames") or "").split(",") if n.strip()]
    if _on(given.get("mail_handler_enable_regex_delimiters")):
        lines = [f"/{line}/" for line in lines]
    if _on(given.get("mail_handler_enable_regex_excluded_filenames")):
        names = [f"/{name}/" for name in names]  # either matches whole names
    prefer = "html" if given.get("mail_handler_preferred_body_part") == "html" else "text"
    return {"prefer": prefer, "delimiters": lines, "excluded_names": names}


def _address(shown: str) -> str:
    return re.sub(r".*<|>.*|\(.*\)", "", shown).strip()


def _on(value: Any) -> bool:
    return str(value or "").lower() in {"1", "true", "yes"}


# ------------------------------------------------------------------ what is changed beforehand


def header(name: str, value: str) -> Steps:
    """A step that puts this header in place of the one of its name, or adds it."""

    def change(_world: World, mail: bytes) -> bytes:
        end = b"\r\n" if b"\r\n" in mail[:2000] else b"\n"
        line = f"{name}: {value}".encode()
        head, gap, body = mail.partition(end * 2)
        pattern = re.compile(rb"(?im)^" + re.escape(name.encode()) + rb":.*(?:\r?\n[ \t].*)*")
        changed, count = pattern.subn(lambda _found: line, head, count=1)
        return (changed if count else line + end + head) + gap + body

    return change


def replaced(old: str, new: str) -> Steps:
    """A step that puts the second expression in place of the first in the mail's bytes."""
    return lambda _world, mail: re.sub(old.encode(), new.encode(), mail, count=1)


def world(command: str, given: Any) -> Steps:
    """A step that changes Redmine."""

    def change(where: World, mail: bytes) -> bytes:
        where.do(command, given)
        return mail

    return change


def answering(command: str, issue: int) -> Steps:
    """A step that makes a note on the issue, and the mail a reply to Redmine's mail about that note."""

    def change(where: World, mail: bytes) -> bytes:
        number = where.do(command, issue)
        return header("In-Reply-To", f"<redmine.journal-{number}.20200719210421@host.example>")(where, mail)

    return change


NO_NOTE = header("In-Reply-To", "<redmine.journal-999999.20200719210421@host.example>")
SCENARIOS: Mapping[str, tuple[Steps, ...]] = {
    "issue_update_with_cc/default": (world("unwatch", 2),),
    "ticket_by_empty_user/accept": (),
    "group_assignment": (replaced(r"(?im)^(Assigned to:).*?(\r?)$", r"\1 B Team\2"),),
    "invalid_project_falls_back_to_default": (replaced(r"(?im)^(Project:).*?(\r?)$", r"\1 invalid\2"),),
    "no_project_at_all": (replaced(r"(?im)^Project:.*?\r?\n", ""),),
    "locked_user": (world("lock", "jsmith"),),
    "to_private_note": (answering("private_note", 1),),
    "nonexistent_journal": (NO_NOTE, header("Subject", "Re: a subject without a tag")),
    "nonexistent_journal_subject_fallback": (
        NO_NOTE,
        header("Subject", "Re: [ecookbook - Feature request #2] (New) Add ingredients categories"),
    ),
    "private_issue_not_visible_to_sender": (
        world("private_issue", 2),
        header("From", "Dave Lopper <dlopper@somenet.foo>"),
    ),
    "nonexistent_issue": (world("delete_issue", 2),),
    "no_add_issues_permission": (world("revoke", "add_issues"),),
    "no_add_issue_notes_permission": (world("revoke", "add_issue_notes"),),
    "ticket_with_localized_private_flag/fr": (world("language", {"login": "jsmith", "language": "fr"}),),
}


SPEAKING: Mapping[str, tuple[Steps, ...]] = {
    r"locked": (world("lock", "jsmith"),),
    r"additional|second(ary)?_address": (world("second_address", "jsmith"),),
    r"(?:without|no)_(?:permission|add_issues)": (world("revoke", "add_issues"),),
    r"add_issue_notes": (world("revoke", "add_issue_notes"),),
    r"private_note": (answering("private_note", 1),),
    r"to_(?:a_)?(?:public_)?(?:note|journal)": (answering("note", 2),),
}
"""For scenarios that are not in the table above: what their names say."""


def told(case: Case) -> bool:
    """Does the case tell, or a table here, how its mail and its Redmine were changed?"""
    if case.id in SCENARIOS or case.scenario in SCENARIOS or case.told.get("mutation"):
        return True
    return not (case.told.get("mutated") or case.told.get("needs_setup"))


def setup(case: Case) -> Steps:
    """Given a case, return what is done beforehand, to Redmine and to the mail."""
    steps = SCENARIOS.get(case.id, SCENARIOS.get(case.scenario))
    mutation = str(case.told.get("mutation") or "").removeprefix("add/replace header:").strip()
    if steps is None and (named := re.fullmatch(r"([A-Za-z-]+):\s*(.*)", mutation)):
        steps = (header(named[1], named[2]),)
    if steps is None and not told(case):
        steps = next((one for words, one in SPEAKING.items() if re.search(words, case.scenario)), None)
        if steps is None and re.fullmatch(r"[a-z]{2}", case.scenario):
            steps = (world("language", {"login": "jsmith", "language": case.scenario}),)

    def change(where: World, mail: bytes) -> bytes:
        for step in steps or ():
            mail = step(where, mail)
        return mail

    return change
