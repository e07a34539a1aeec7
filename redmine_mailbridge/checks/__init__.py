"""What `check` tests, and what is tested before the service starts: one plain value per result.

Knows the settings and how to reach every server; never changes anything.
"""
