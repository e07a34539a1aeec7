"""The command line."""

import sys


def start() -> None:
    """Run the command line; `deliver`, of which a mail server starts one per mail, without loading the rest."""
    if sys.argv[1:2] == ["deliver"] and not {"-h", "--help"} & set(sys.argv):
        from redmine_mailbridge.cli.deliver import deliver

        sys.exit(deliver(sys.argv[2:]))
    from redmine_mailbridge.cli.main import main

    main()
