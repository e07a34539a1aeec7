"""`python -m redmine_mailbridge`."""

from redmine_mailbridge.cli.main import main

main()
