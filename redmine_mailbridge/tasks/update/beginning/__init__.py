"""Begins conversations in Redmine: whether, when and how an issue that was made there becomes one."""
