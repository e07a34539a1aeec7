"""`receive`: one pass over all mailboxes."""

import sys
from typing import TYPE_CHECKING

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation

if TYPE_CHECKING:
    from redmine_mailbridge.cli.output import Printer
    from redmine_mailbridge.settings.models import Settings


@click.command()
@click.option("--once", is_flag=True, help="Accepted for compatibility: `receive` always makes one pass.")
@click.option("--mailbox", "mailboxes", multiple=True, metavar="NAME", help="Read only this mailbox; repeatable.")
@click.option("--dry-run", is_flag=True, help="Print what would be done; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per message.")
@click.option("--no-update", is_flag=True, help="Create new issues only; leave replies to the update task.")
@click.option(
    "--wait", type=float, default=0.0, metavar="SECONDS", help="Wait up to SECONDS for another instance to finish."
)
@pass_invocation
def command(
    invocation: Invocation,
    *,
    once: bool,
    mailboxes: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    no_update: bool,
    wait: float,
) -> None:
    """Read new mail once, create issues and notes, file the mail."""
    from redmine_mailbridge.checks.startup import verify_names
    from redmine_mailbridge.cli.output import Printer, require_mailboxes
    from redmine_mailbridge.tasks.service.service import one_pass
    from redmine_mailbridge.wiring import application as app
    from redmine_mailbridge.wiring.store import health

    del once  # used in crontabs that were written for earlier versions
    settings = invocation.settings()
    open_questions = 0
    require_mailboxes(mailboxes, settings)
    printer = Printer(as_json=as_json)
    if dry_run:
        errors = _dry_run(settings, mailboxes, printer)
    else:
        if sys.stdin.isatty() and not as_json:
            settings = _decided(settings, mailboxes)
        application = app.build(settings, only=mailboxes)
        if application.tasks.book.stopped:
            application.close()
            click.secho("processing is paused; run `redmine-mailbridge start` to resume it", fg="yellow", err=True)
            return
        lock = None
        try:
            lock = application.store.lock("service", wait=wait)
            lock.guard(application.store.database)
            application.store.raw.clear_spool()
            verify_names(
                settings, application.metadata, lambda line: click.secho(line, fg="red", err=True),
                application.shared.breaker.deny,
            )  # fmt: skip
            with printer:
                errors = one_pass(
                    application.receivers, application.shared, application.tasks, health(application.store),
                    update=not no_update, on_outcome=printer.outcome,
                )  # fmt: skip
            open_questions = sum(receiver.undecided for receiver in application.receivers)
            sent = application.sending.once()
            application.sending.save_copies()
            errors += [f"sending: {sent.error}"] if sent.error else []
        finally:
            application.close()
            if lock is not None:
                lock.release()
    printer.end(errors, code=2 if open_questions else 1)


def _dry_run(settings: "Settings", mailboxes: tuple[str, ...], printer: "Printer") -> list[str]:
    """Print what a pass would do, what it would ask and what it would not import. Return the errors."""
    from redmine_mailbridge.cli.dry_run import preview

    with printer:
        errors, questions, not_imported = preview(settings, mailboxes, printer.planned)
    for backlog in not_imported:
        click.echo(backlog, err=True)
    for question in questions:
        click.secho(question, fg="yellow", err=True)
    return errors


def _decided(settings: "Settings", only: tuple[str, ...]) -> "Settings":
    """Given settings that do not say what to do with existing mail, ask, and return them with the answers.

    Each answer is used once: afterwards the folder has been read, and the question does not come up again.
    """
    from redmine_mailbridge.tasks.receive.fetch.first_look import backlog
    from redmine_mailbridge.wiring import oauth, read_only
    from redmine_mailbridge.wiring.mailboxes import mailbox_of, succession_of

    boxes = {name: box for name, box in settings.active_mailboxes.items() if not only or name in only}
    if not any(box.undecided for box in boxes.values()):
        return settings
    answers: dict[str, str] = {}
    with read_only.store_of(settings) as store:
        opened = lambda name, box: mailbox_of(name, box, store, tokens=oauth.late(settings, name))  # noqa: E731
        former = succession_of(settings, store).former() if store is not None else {}
        for existing in backlog(boxes, store, opened, former):
            if existing.mailbox in answers or not existing.dated:
                continue
            mails = "There is 1 message" if existing.count == 1 else f"There are {existing.count} messages"
            question = f"{mails} in {existing.folder} of {existing.mailbox}: import all, or only new mail from now on"
            answers[existing.mailbox] = click.prompt(question, type=click.Choice(["all", "now"]))
    changed = {
        name: box.model_copy(update={"start_from": answers[name]}) if name in answers else box
        for name, box in settings.mailboxes.items()
    }
    return settings.model_copy(update={"mailboxes": changed})
