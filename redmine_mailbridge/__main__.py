"""`python -m redmine_mailbridge`."""

from redmine_mailbridge.cli import start

start()
