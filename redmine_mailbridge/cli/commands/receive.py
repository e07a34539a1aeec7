"""`receive --once`: one pass over all mailboxes."""

import sys
from typing import TYPE_CHECKING

import click

from redmine_mailbridge.cli.main import Invocation, pass_invocation

if TYPE_CHECKING:
    from redmine_mailbridge.settings.models import Settings


@click.command()
@click.option("--once", is_flag=True, required=True, help="Make one pass and end (`run` is the service).")
@click.option("--mailbox", "mailboxes", multiple=True, metavar="NAME", help="Only this mailbox; can be repeated.")
@click.option("--dry-run", is_flag=True, help="Print what would be done; write nothing anywhere.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a mail.")
@click.option("--no-update", is_flag=True, help="Only new issues: replies are kept for the update task.")
@click.option("--wait", type=float, default=0.0, metavar="SECONDS", help="Wait so long for another to end.")
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
    """Read new mail, make issues and notes of it, file it, and end."""
    from redmine_mailbridge.checks.startup import look_up_names
    from redmine_mailbridge.cli.dry_run import preview
    from redmine_mailbridge.cli.output import Printer, known_mailboxes
    from redmine_mailbridge.tasks.service.service import one_pass
    from redmine_mailbridge.wiring import application as app

    del once  # the only way so far; it says what happens
    settings = invocation.settings()
    open_questions = 0
    known_mailboxes(mailboxes, settings)
    printer = Printer(as_json=as_json)
    if dry_run:
        with printer:
            errors, questions, left = preview(settings, mailboxes, printer.planned)
        for lying in left:
            click.echo(lying, err=True)
        for question in questions:
            click.secho(question, fg="yellow", err=True)
    else:
        if sys.stdin.isatty() and not as_json:
            settings = _decided(settings, mailboxes)
        application = app.build(settings, only=mailboxes)
        if application.tasks.book.stopped:
            application.close()
            click.secho("the synchronisation is stopped: redmine-mailbridge start lets it go on", fg="yellow", err=True)
            return
        lock = None
        try:
            lock = application.store.lock("service", wait=wait)
            lock.guard(application.store.database)
            application.store.raw.clear_spool()
            look_up_names(settings, application.directory, lambda line: click.secho(line, fg="red", err=True))
            with printer:
                errors = one_pass(
                    application.receivers, application.shared, application.tasks,
                    update=not no_update, on_outcome=printer.outcome,
                )  # fmt: skip
            open_questions = sum(receiver.undecided for receiver in application.receivers)
            sent = application.sending.once()
            errors += [f"sending: {sent.error}"] if sent.error else []
        finally:
            application.close()
            if lock is not None:
                lock.release()
    printer.end(errors, code=2 if open_questions else 1)


def _decided(settings: "Settings", only: tuple[str, ...]) -> "Settings":
    """Given settings that leave open what becomes of the mail that lies there, ask, and return them with the answers.

    An answer counts once: after it the folder has been read, and nothing is asked any more.
    """
    from redmine_mailbridge.tasks.receive.fetch.first_look import lying
    from redmine_mailbridge.wiring import application as app
    from redmine_mailbridge.wiring import oauth, read_only

    boxes = {name: box for name, box in settings.active_mailboxes.items() if not only or name in only}
    if not any(box.undecided for box in boxes.values()):
        return settings
    answers: dict[str, str] = {}
    with read_only.store_of(settings) as store:
        opened = lambda name, box: app.mailbox(name, box, store, tokens=oauth.late(settings, name))  # noqa: E731
        former = app.succession_of(settings, store).former() if store is not None else {}
        for found in lying(boxes, store, opened, former):
            if found.mailbox in answers or not found.dated:
                continue
            mails = "1 mail lies" if found.count == 1 else f"{found.count} mails lie"
            question = f"{mails} in {found.folder} of {found.mailbox}: take all, or only what comes from now on"
            answers[found.mailbox] = click.prompt(question, type=click.Choice(["all", "now"]))
    changed = {
        name: box.model_copy(update={"start_from": answers[name]}) if name in answers else box
        for name, box in settings.mailboxes.items()
    }
    return settings.model_copy(update={"mailboxes": changed})
