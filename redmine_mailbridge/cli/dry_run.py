"""`receive --dry-run`: reads and decides, and writes nothing."""

import datetime as dt
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mailbox import Listed
from redmine_mailbridge.policy.explanation import as_json, as_lines
from redmine_mailbridge.policy.intake_limits import came_later, first_taken
from redmine_mailbridge.settings.first_sync import StartSettings
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.tasks.receive.fetch.fetcher import undecided
from redmine_mailbridge.tasks.receive.planner import Planner
from redmine_mailbridge.wiring import oauth, read_only
from redmine_mailbridge.wiring.mailboxes import mailbox_of, succession_of

ShowPlan = Callable[[str, Sequence[str], dict[str, Any]], None]
"""Shows a planned message: given the mailbox, the plan in lines, and the same as JSON."""
CHUNK = 50


def preview(settings: Settings, only: Sequence[str], show: ShowPlan) -> tuple[list[str], list[str], list[str]]:
    """Given settings, show the plan for every message in the mailboxes (all, or those named).

    Return the errors, one line each, the questions that the first pass would ask, and what it would not import. Each
    message is planned as if it were the first; what the store knows is used. A folder that has never been read is
    shown as the first pass takes it: existing mail that is not imported is only counted, and imported mail gets no
    automatic answers.
    """
    errors: list[str] = []
    questions: list[str] = []
    not_imported: list[str] = []
    with read_only.store_of(settings) as store, read_only.deciding(settings) as planner:
        former = succession_of(settings, store).former() if store is not None else {}
        for name, box in settings.active_mailboxes.items():
            if only and name not in only:
                continue
            mailbox = mailbox_of(name, box, tokens=oauth.late(settings, name))
            try:
                for folder in box.folders:
                    first = store is None or store.cursor(former.get(name, name), folder) is None
                    listed, backlog = preview_folder(mailbox, folder, box if first else None)
                    not_imported += [f"{name}: {backlog}"] if backlog else []
                    if first and box.undecided and listed:
                        questions.append(f"{name}: {undecided(name, folder, listed)}")
                    size = settings.receive.max_mail_size
                    _folder(mailbox, listed, planner, size, show, first=box if first else None)
            except MailbridgeError as error:
                errors.append(f"{name}: {error}")
            finally:
                mailbox.close()
    return errors, questions, not_imported


def preview_folder(mailbox: Mailbox, folder: str, start: StartSettings | None) -> tuple[Sequence[Listed], str]:
    """Given a folder, and which existing mail counts if it has never been read (`start`), return the messages that a
    pass would take, and in words how many it would not ("": none).
    """
    mailbox.connect()
    mailbox.state(folder)
    listed = mailbox.list_new(folder)
    if start is None:
        return listed, ""
    taken = first_taken(listed, lambda mail: mail.received_at, start, dt.datetime.now(dt.UTC))
    if len(taken) == len(listed):
        return taken, ""
    why = "start_from, first_sync_limit" if start.first_sync_limit else "start_from"
    return taken, f"{len(listed) - len(taken)} of {len(listed)} messages in {folder} are not imported ({why})"


def _folder(
    mailbox: Mailbox,
    listed: Sequence[Listed],
    planner: Planner,
    max_size: int,
    show: ShowPlan,
    *,
    first: StartSettings | None,
) -> None:
    with tempfile.TemporaryDirectory() as spool:
        for at in range(0, len(listed), CHUNK):
            for raw in mailbox.fetch(listed[at : at + CHUNK], Path(spool), max_size=max_size):
                content = raw.content if raw.content is not None else (raw.path or Path()).read_bytes()
                message = planner.read(content, mailbox.name, truncated=raw.truncated)
                lay_there = first is not None and not came_later(raw.listed.received_at, first)
                plan, _facts = planner.plan(message, mailbox.name, first_sync=lay_there)
                place = raw.listed.location
                value = as_json(f"{place.folder}/{place.uid}", message, plan)
                show(mailbox.name, as_lines(plan), value)
                if raw.path is not None:
                    raw.path.unlink()
