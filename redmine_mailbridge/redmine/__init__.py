"""Asks Redmine and writes to it, over the REST API only; the only writer of issues.

Knows HTTP, the API's answers and what they hide; must not decide what becomes of a mail.
"""
