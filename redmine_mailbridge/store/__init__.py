"""Stores every message and its status, durably, before any further processing.

Knows SQL and the disk; must not know mail servers, MIME or Redmine.
"""
