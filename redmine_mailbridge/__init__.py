"""The help desk for the Redmine that a team already has: mail in, issues and notes out, no plugin."""

__version__ = "0.1.0"
