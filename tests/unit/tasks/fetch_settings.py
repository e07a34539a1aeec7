"""The settings of a mailbox as the receive task reads them, for tests of its parts."""

from typing import Any

from redmine_mailbridge.settings.first_sync import StartSettings
from redmine_mailbridge.tasks.receive.fetch.fetcher import FetchSettings


def fetch_settings(max_size: int, **other: Any) -> FetchSettings:
    """Given the largest mail in bytes and what else is not usual, return the settings of an INBOX whose mails stay."""
    usual: dict[str, Any] = {
        "folders": ("INBOX",), "success_folder": None, "failure_folder": None, "in_hand": 16, "batch": 4,
        "after_success": "move", "after_failure": "move", "keep_for": None, "files_at_the_end": False,
        "junk_folder": None, "max_attempts": 10, "start": StartSettings(start_from="all"),
    }  # fmt: skip
    return FetchSettings(max_size=max_size, **usual | other)
