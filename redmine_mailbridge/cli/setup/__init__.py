"""`init`: asks, tests each answer, and drafts the settings.

Knows settings, checks and every kind of server; only `settings/init_file.py` writes.
"""
