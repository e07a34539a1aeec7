"""Whatever changes something outside memory stands in `with side_effect(...)`, and each effect has its kill points."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from redmine_mailbridge.side_effects import SideEffect
from tests.crash.test_boundaries import ELSEWHERE, MAILS

PACKAGE = Path(__file__).resolve().parents[2] / "redmine_mailbridge"

CHANGES_BY_NAME = {
    "unlink", "mkdir", "rename", "rmdir", "touch", "write_text", "write_bytes", "symlink_to", "fsync", "mkstemp",
    "rmtree", "copyfile", "sendmail", "send_message", "post_mime",
}  # fmt: skip
"""Methods that change something, whatever object they are called on."""
CHANGES_OF = {
    "_client": {"post", "put", "upload", "delete", "patch"},
    "client": {"post", "put", "upload"},
    "server": {"data"},
    "os": {"open"},
}
"""Methods that change something, by the name of the object they are called on."""
IMAP_CHANGES = {"MOVE", "COPY", "STORE", "EXPUNGE", "CREATE", "SUBSCRIBE", "APPEND", "DELETE", "RENAME"}

EXCEPTIONS = {
    "store/dialects.py:_make_private": "an empty file, before there is anything to lose",
    "mailboxes/imap/filing.py:move": "called by ImapMailbox.file within MOVE",
    "mailboxes/imap/filing.py:remove": "called by ImapMailbox.file and .delete within MOVE",
    "mailboxes/imap/filing.py:mark": "called by ImapMailbox.mark within MOVE",
    "mailboxes/imap/folders.py:_create": "called by ImapFolders.ensure within MAKE_FOLDER",
    "mailboxes/pop3/session.py:delete": "DELE only marks: the QUIT that deletes stands within MOVE",
    "mailboxes/pop3/session.py:quit": "called by Pop3Mailbox._end, within MOVE where something is deleted",
    "cli/streams.py:put_right": "opens nothing but /dev/null in place of a closed output",
    "cli/streams.py:leave": "likewise",
    "mailboxes/spool.py:*": "files of the spool belong to nobody until they are kept; the next start empties it",
    "mailboxes/delivered/drop.py:add": "a file in `tmp` belongs to nobody until it is moved, within DELIVER",
    "mailboxes/delivered/drop.py:_sync_names": "called by add within DELIVER",
    "mailboxes/delivered/drop.py:_directory": "opens a folder to sync it",
    "mailboxes/delivered/drop.py:_remove": "removes a file of `tmp` that nobody has been promised",
    "mailboxes/delivered/preparation.py:*": "makes the folders of the spool and its index; twice is once",
    "mailboxes/delivered/mailbox.py:_open": "opens a mail to read it",
    "mailboxes/delivered/folders.py:sweep": "removes files of `tmp` whose process died a day and a half ago",
    "store/raw_mails/folder.py:__init__": "makes the folders once, before there is any mail; twice is once",
    "store/raw_mails/folder.py:_write": "called by RawFolder.keep and .put within KEEP_RAW",
    "store/raw_mails/folder.py:_put": "called by RawFolder.keep and .put within KEEP_RAW",
    "store/raw_mails/folder.py:_fsync": "called by RawFolder._put within KEEP_RAW",
    "store/raw_mails/folder.py:_try_out": "writes a file without a name, to see whether the disk is well",
    "store/raw_mails/spool.py:*": "makes a folder for files that belong to nobody, and removes them; twice is once",
    "store/accounts.py:settle": "one transaction before there is any work; a half of it is none of it",
    "store/folder_cursors.py:secret": "one transaction that makes a value once; no mail takes part in it",
    "store/intake_limits.py:_put": "one transaction for a stop, or for an admin's answer; no mail takes part in it",
    "store/intake_limits.py:_one_by_one": "one transaction, for a release or behind the last mail",
    "store/database.py:migrate": "one transaction before there is any work; a half of it is none of it",
    "store/dialects.py:_sqlite_engine": "makes the database's folder once; twice is once",
    "redmine/trial.py:_refused": "a request for an issue that can never be made: it has no subject that Redmine takes",
    "cli/service_install.py:*": "`init --service` installs the service for an admin who looks on; it handles no mail",
    "settings/init_file.py:*": "`init` writes settings for an admin who looks on; it handles no mail",
    "cli/setup/resume.py:*": "`init` keeps answers for an admin who looks on; it handles no mail",
    "cli/commands/templates.py:*": "copies templates for an admin who looks on; it handles no mail",
    "outgoing/smtp.py:*": "connects, and is called by Sending._one within SEND_MAIL",
    "outgoing/outbox_sender.py:_offer": "called by OutboxSender._one within SEND_MAIL",
    "outgoing/graph.py:send": "called by OutboxSender._one within SEND_MAIL",
    "outgoing/graph.py:_send": "likewise",
    "outgoing/graph.py:check": "asks for a message to nobody, which Exchange refuses",
    "outgoing/graph_draft.py:send": "called by GraphTransport._send within SEND_MAIL",
    "outgoing/graph_draft.py:discard": "called by GraphTransport within SEND_MAIL; a draft twice removed is one",
    "outgoing/graph_draft.py:_amend": "called by GraphDraft.make within MAKE_DRAFT",
    "outgoing/graph_draft.py:_attach": "likewise",
    "outgoing/graph_draft.py:_upload": "likewise",
    "mailboxes/graph/folders.py:_make": "called by GraphFolders.ensure within MAKE_FOLDER",
    "store/lock.py:take": "makes the file of a lock once; the lock ends with the process",
    "store/admin_sessions.py:*": "sessions, the record of changes, the log: one transaction each, no mail takes part",
    "web/passwords.py:keep": "writes the admin's password hash for an admin who looks on; it handles no mail",
    "store/health.py:*": "notes of how things are: one transaction each, no mail takes part",
    "store/observed/certificates.py:*": "likewise",
    "store/observed/sent_alerts.py:*": "likewise: an alert is queued before it is recorded, and twice is once",
    "store/tokens.py:*": "tokens and sign-ins: one conditional transaction each, no mail takes part",
    "oauth/encryption.py:_read_or_make": "makes the key's file, whole or not at all, before anything is sealed with it",
    "cli/dry_run.py:*": "a dry run removes the copy that it fetched for itself",
}
"""Where a change stands outside an effect, and why it may. FILE:FUNCTION, or FILE:* for a whole file."""


class Changes(ast.NodeVisitor):
    """Collects the calls in a file that change something, each with its function and whether it stands in an effect."""

    def __init__(self) -> None:
        self.found: list[tuple[str, int, bool]] = []
        self._functions: list[str] = []
        self._inside = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._functions.append(node.name)
        inside, self._inside = self._inside, 0
        self.generic_visit(node)
        self._inside = inside
        self._functions.pop()

    def visit_With(self, node: ast.With) -> None:
        entered = 0
        for item in node.items:
            self.visit(item.context_expr)
            if isinstance(item.context_expr, ast.Call) and _name(item.context_expr.func) == "side_effect":
                entered += 1
                self._inside += 1
        for statement in node.body:
            self.visit(statement)
        self._inside -= entered

    def visit_Call(self, node: ast.Call) -> None:
        if _changes(node):
            function = self._functions[-1] if self._functions else "*"
            self.found.append((function, node.lineno, self._inside > 0))
        self.generic_visit(node)


def _name(node: ast.expr) -> str:
    """The last word of a dotted name, "" when it is none."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _changes(call: ast.Call) -> bool:
    """Does this call change something outside memory?"""
    if not isinstance(call.func, ast.Attribute):
        return False
    method, of = call.func.attr, _name(call.func.value)
    first = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
    by_graph = method == "call" and of in {"client", "_client"} and first in {"POST", "PATCH", "PUT", "DELETE"}
    if by_graph or method in CHANGES_BY_NAME or method in CHANGES_OF.get(of, ()):
        return True
    if method == "replace":  # a path's, not a text's or a time's: one argument, and no keyword
        return len(call.args) == 1 and not call.keywords
    if method == "write":
        return of in {"database", "_database"} or (of == "self" and not call.args)
    if method in {"uid", "command"}:
        return first in IMAP_CHANGES
    return method in {"dele", "quit"} and "client" in of


def changes() -> Iterator[tuple[str, int, bool]]:
    """Every change in the package: where (FILE:FUNCTION), its line, whether it stands in an effect."""
    for file in sorted(PACKAGE.rglob("*.py")):
        visitor = Changes()
        visitor.visit(ast.parse(file.read_text(encoding="utf-8")))
        path = file.relative_to(PACKAGE).as_posix()
        yield from ((f"{path}:{function}", line, inside) for function, line, inside in visitor.found)


def test_nothing_is_changed_outside_an_effect() -> None:
    """A call that changes something outside memory stands in `with side_effect(...)`, or its exception has a reason."""
    excused = EXCEPTIONS.keys()
    bare = [
        f"{where} (line {line})"
        for where, line, inside in changes()
        if not inside and where not in excused and f"{where.partition(':')[0]}:*" not in excused
    ]
    assert [] == bare


def test_the_walk_sees_what_it_should() -> None:
    """The walk finds the changes that are known to be there, so that an empty list of faults means something."""
    seen = {where for where, _line, inside in changes() if inside}
    known = {
        "store/messages.py:record_intent",
        "store/mails/filing.py:filed",
        "redmine/writer.py:create_issue",
        "store/raw_mails/folder.py:remove",
    }
    assert set() == known - seen


@pytest.mark.parametrize("where", EXCEPTIONS)
def test_each_exception_is_still_needed(where: str) -> None:
    """An exception that excuses nothing any more is removed from the list."""
    file, _, function = where.partition(":")
    bare = {place for place, _line, inside in changes() if not inside and place.startswith(f"{file}:")}
    assert bool(bare) if function == "*" else where in bare


def test_every_effect_is_used() -> None:
    """Each member of SideEffect names a side effect that the code has."""
    text = "".join(file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py"))
    assert [] == [effect.name for effect in SideEffect if f"side_effect(SideEffect.{effect.name})" not in text]


def test_every_effect_has_its_kill_points() -> None:
    """The crash suite kills the process before and after each member of SideEffect."""
    wanted = {(effect, moment) for effect in SideEffect for moment in ("before", "after")}
    assert wanted == set(MAILS) | set(ELSEWHERE)
