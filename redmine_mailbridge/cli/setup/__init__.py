"""What `init` does: asks, tries each answer when it is given, and makes a draft of the settings.

Knows settings, checks and the ways to every server; `settings/init_file.py` alone writes.
"""
