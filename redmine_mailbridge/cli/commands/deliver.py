"""`deliver`: stores one mail from a mail server in the spool. `cli/__init__.py` calls `cli/deliver.py` without this."""

import click


@click.command()
@click.option("--mailbox", metavar="NAME", help="The mailbox [default: by the recipient].")
@click.option("--from", "sender", metavar="ADDRESS", help="The envelope's sender [default: $SENDER].")
@click.option("--to", metavar="ADDRESS", help="The recipient [default: $ORIGINAL_RECIPIENT, $RECIPIENT].")
@click.option(
    "--spool", metavar="DIR", help="The spool_dir [default: $MAILBRIDGE_SPOOL, /var/spool/redmine-mailbridge]."
)
def command(*, mailbox: str | None, sender: str | None, to: str | None, spool: str | None) -> None:
    """Take one mail on standard input, for mail servers.

    Reads no settings. Exits with 0 when the mail is safely in the spool; 75 when the mail server is to try again later;
    64 (usage), 65 (no mail, or too large), 67 (no such mailbox) or 77 (not a mailbox of `deliver`) when it is to return
    the mail to its sender.
    """
    import sys

    from redmine_mailbridge.cli.deliver import deliver

    options = (("--mailbox", mailbox), ("--from", sender), ("--to", to), ("--spool", spool))
    sys.exit(deliver([word for option, value in options if value is not None for word in (option, value)]))
