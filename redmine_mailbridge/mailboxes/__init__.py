"""Fetches raw messages from servers and files them there.

Knows IMAP, POP3 and their logins; must not know MIME, the store or Redmine.
"""
