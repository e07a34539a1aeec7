"""The forms in which help desks write the username of a shared mailbox."""

import pytest

from redmine_mailbridge.model.mailbox import MailboxConfig
from redmine_mailbridge.sasl.mechanism import credentials
from redmine_mailbridge.sasl.username import Username, parse_username


@pytest.mark.parametrize(
    ("text", "sign_in", "mailbox"),
    [
        # the table of osTicket's page on adding e-mails
        ("user@domain.tld", "user@domain.tld", "user@domain.tld"),
        (r"user@domain.tld\shared@domain.tld", "user@domain.tld", "shared@domain.tld"),
        (r"Servername\user@domain.tld", r"Servername\user@domain.tld", r"Servername\user@domain.tld"),
        (r"Servername\user@domain.tld\shared@domain.tld", r"Servername\user@domain.tld", "shared@domain.tld"),
        # with slashes
        ("user@domain.tld/shared@domain.tld", "user@domain.tld", "shared@domain.tld"),
        ("Servername/user@domain.tld", "Servername/user@domain.tld", "Servername/user@domain.tld"),
        ("Servername/user@domain.tld/shared@domain.tld", "Servername/user@domain.tld", "shared@domain.tld"),
        # i-net HelpDesk's form, and Windows' own
        (r"Domain\Max.Mustermann\Shared.MailboxAlias", r"Domain\Max.Mustermann", "Shared.MailboxAlias"),
        (r"Domain\max", r"Domain\max", r"Domain\max"),
        # an alias of the shared mailbox after an address
        (r"user@domain.tld\shared", "user@domain.tld", "shared"),
        # no form of ours: one name as it stands
        ("max", "max", "max"),
        (r"a\b\c\d", r"a\b\c\d", r"a\b\c\d"),
        ("user@domain.tld/", "user@domain.tld/", "user@domain.tld/"),
        (r"\\server", r"\\server", r"\\server"),
        ("  user@domain.tld ", "user@domain.tld", "user@domain.tld"),
        ("", "", ""),
    ],
)
def test_the_forms_of_a_username(text: str, sign_in: str, mailbox: str) -> None:
    """A username says who signs in and whose mailbox is opened, with backslashes and slashes alike."""
    assert Username(sign_in, mailbox) == parse_username(text)


def test_authorize_as_is_stronger() -> None:
    """With `authorize_as`, the username is one name as it stands."""
    config = MailboxConfig(
        name="s", host="h", port=1, username=r"a@b\c@d", authorize_as="shared@d", password=lambda: "kept apart"
    )
    who = credentials(config)
    assert (r"a@b\c@d", "shared@d", "shared@d", "kept apart") == (
        who.user, who.mailbox, who.authorize_as, who.password
    )  # fmt: skip
    assert "kept apart" not in repr(who)
    assert "kept apart" not in repr(config)
