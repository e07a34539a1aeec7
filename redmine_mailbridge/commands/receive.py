"""`receive --once`: one pass over all mailboxes."""

import click

from redmine_mailbridge.cli import Invocation, pass_invocation


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
    from redmine_mailbridge import app
    from redmine_mailbridge.checks.beginning import look_up_names
    from redmine_mailbridge.preview import preview
    from redmine_mailbridge.printing import Printer, known_mailboxes
    from redmine_mailbridge.tasks.service import one_pass

    del once  # the only way so far; it says what happens
    settings = invocation.settings()
    known_mailboxes(mailboxes, settings)
    printer = Printer(as_json=as_json)
    if dry_run:
        with printer:
            errors = preview(settings, mailboxes, printer.planned)
    else:
        application = app.build(settings, only=mailboxes)
        if application.tasks.book.stopped:
            application.close()
            click.secho("the synchronisation is stopped: redmine-mailbridge start lets it go on", fg="yellow", err=True)
            return
        lock = None
        try:
            lock = application.store.lock("service", wait=wait)
            application.store.raw.clear_spool()
            look_up_names(settings, application.directory, lambda line: click.secho(line, fg="red", err=True))
            with printer:
                errors = one_pass(
                    application.receivers, application.shared, application.tasks,
                    update=not no_update, on_outcome=printer.outcome,
                )  # fmt: skip
            sent = application.sending.once()
            errors += [f"sending: {sent.error}"] if sent.error else []
        finally:
            application.close()
            if lock is not None:
                lock.release()
    printer.end(errors)
