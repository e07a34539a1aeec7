"""What strangers wrote, as they read it again in a mail."""

from redmine_mailbridge.mail.text.from_redmine import unescaped


def test_what_was_made_inert_reads_as_it_was_written() -> None:
    """A stranger's text goes back to its writer without the signs that kept it from coming to life in Redmine."""
    assert "a *b* #1 <x> & {{c}}" == unescaped("a \\*b\\* \u2060#1 &lt;x> &amp; {\u2060{c}}")
