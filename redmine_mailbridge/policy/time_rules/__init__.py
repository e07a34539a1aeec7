"""Which time-based rules are due for an issue, and how that is said. Pure."""
