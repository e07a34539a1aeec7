"""What is stored of an issue that was read and did not begin."""

import pytest

from redmine_mailbridge.tasks.update.beginning.candidates import LookedAt


@pytest.mark.parametrize(
    ("text", "looked_at"),
    [
        ("8f00:12:1790000000.5", LookedAt("8f00", 12, 1790000000.5)),
        ("8f00:12", LookedAt("8f00", 12)),
        ("8f00:0", LookedAt("8f00")),
    ],
)
def test_what_is_stored(text: str, looked_at: LookedAt) -> None:
    """The state, the newest entry, and when it was first read, if it must be read again."""
    assert looked_at == LookedAt.from_text(text)
    assert text == looked_at.text


def test_a_state_without_its_newest_entry() -> None:
    """An earlier version stored no entry."""
    assert LookedAt("8f00") == LookedAt.from_text("8f00")
