"""What `receive --dry-run` does: reads and decides, and writes nothing anywhere."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from redmine_mailbridge import app, looking, signing_in
from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.mailboxes.base import Mailbox
from redmine_mailbridge.routing.explain import as_json, as_lines
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.tasks.decider import Decider

Show = Callable[[str, Sequence[str], dict[str, Any]], None]
CHUNK = 50


def preview(settings: Settings, only: Sequence[str], show: Show) -> list[str]:
    """Given settings, show the plan of every mail that lies in the mailboxes (all, or those named).

    Return the errors, one line each. A mail is planned as if it were the first: what the store knows counts.
    """
    errors: list[str] = []
    with looking.deciding(settings) as decider:
        for name, box in settings.active_mailboxes.items():
            if only and name not in only:
                continue
            mailbox = app.mailbox(name, box, tokens=signing_in.late(settings, name))
            try:
                for folder in box.folders:
                    _folder(mailbox, folder, decider, settings.receive.max_mail_size, show)
            except MailbridgeError as error:
                errors.append(f"{name}: {error}")
            finally:
                mailbox.close()
    return errors


def _folder(mailbox: Mailbox, folder: str, decider: Decider, max_size: int, show: Show) -> None:
    mailbox.connect()
    mailbox.state(folder)
    listed = mailbox.list_new(folder)
    with tempfile.TemporaryDirectory() as spool:
        for at in range(0, len(listed), CHUNK):
            for raw in mailbox.fetch(listed[at : at + CHUNK], Path(spool), max_size=max_size):
                content = raw.content if raw.content is not None else (raw.path or Path()).read_bytes()
                message = decider.read(content, mailbox.name, truncated=raw.truncated)
                plan, _facts = decider.plan(message, mailbox.name)
                value = as_json(f"{folder}/{raw.listed.location.uid}", message, plan)
                show(mailbox.name, as_lines(plan), value)
                if raw.path is not None:
                    raw.path.unlink()
