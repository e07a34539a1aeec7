"""The rows of mails: added, changed by the table of transitions, filed, compared."""
