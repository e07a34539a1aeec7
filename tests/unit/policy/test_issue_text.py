"""The lines that the bridge adds to a text."""

from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.policy.issue_text import literal_lines, named, size_in_redmine


def test_a_long_line_is_shown_whole_in_lines_of_at_most_400_characters() -> None:
    text = "".join(chr(ord("a") + number % 26) for number in range(401))
    assert f"<code>{text[:400]}</code>\n<code>{text[400]}</code>" == literal_lines(text, "textile")
    assert f"<code>{text[:400]}</code>" == literal_lines(text[:400], "textile")


def test_redmine_stores_each_line_break_as_two_bytes() -> None:
    assert len("ä\r\nb".encode()) == size_in_redmine("ä\nb")
    assert len(b"ab\r\nc\r\n\r\n") == size_in_redmine("ab\nc\n\n")


def test_of_many_in_cc_twenty_are_named_and_the_others_counted() -> None:
    cc = tuple(Address("", f"c{number}@client.example") for number in range(25))
    sender = Address("", "kim@client.example")
    _, twenty = named(sender, cc[:20], None, "textile").split("\n")
    _, all_of_them = named(sender, cc, None, "textile").split("\n")
    assert f"{twenty} and 5 more" == all_of_them
    assert 20 == all_of_them.count("@client.example")
    assert "more" not in twenty
