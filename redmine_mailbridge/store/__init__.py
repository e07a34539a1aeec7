"""Keeps every mail and what became of it, durably, before anything else happens.

Knows SQL and the disk; must not know mail servers, MIME or Redmine.
"""
