"""Reads from Redmine and writes to it, over the REST API only; the only writer of issues.

Knows HTTP, the API's responses and what they hide; must not decide what a message becomes.
"""
