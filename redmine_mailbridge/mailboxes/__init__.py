"""Fetches raw mail from servers and files it there.

Knows IMAP, POP3 and their logins; must not know MIME, the store or Redmine.
"""
