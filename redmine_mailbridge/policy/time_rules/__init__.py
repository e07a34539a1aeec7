"""Which automation rules are due for an issue, and how that is worded. Pure."""
