"""Logging in to a mail server (RFC 4422): mechanisms, their choice, bearer messages. For IMAP, POP3 and SMTP."""
