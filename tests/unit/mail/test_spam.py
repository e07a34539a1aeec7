"""What the mail's own servers say of spam, and where a message may bring such words along."""

from dataclasses import replace

import pytest

from redmine_mailbridge.mail.parse import read
from redmine_mailbridge.model.mail import ReadingOptions, SpamVerdict

OPTIONS = ReadingOptions(trusted_authserv_ids=("mx.example.com",))
BELOW = replace(OPTIONS, results_below_received=True)
OURS = "Received: from sender.example.net by mx.example.com with ESMTP; x\r\n"
INNER = "Received: from mx.example.com by inner.example.com with LMTP id x; x\r\n"
FOREIGN = "Received: from a by relay.example.net; x\r\n"
YES = "X-Spam-Flag: YES\r\n"


def verdict(head: str, options: ReadingOptions = OPTIONS, tail: str = "") -> SpamVerdict:
    return read(f"{head}From: a@example.org\r\nSubject: x\r\n{tail}\r\nHello.\r\n".encode(), options).spam


@pytest.mark.parametrize(
    ("field", "spam"),
    [
        ("X-Spam-Flag: YES", True),
        ("x-spam-flag: yes", True),
        ("X-Spam-Flag: NO", False),
        ("X-Spam-Status: Yes, score=7.1 required=5.0 tests=BAYES_99", True),
        ("X-Spam-Status: No, score=-1.9 required=5.0", False),
        ("X-Spam: Yes", True),
        ("X-Spamd-Result: default: True [16.00 / 15.00];\r\n\tBAYES_SPAM(5.1)[99.9%]", True),
        ("X-Spamd-Result: default: False [4.20 / 15.00]; FORGED(0.0)[default: True]", False),
        ("X-Rspamd-Action: add header", True),
        ("X-Rspamd-Action: no action", False),
        ("X-Rspamd-Action: soft reject", False),
        ("X-MS-Exchange-Organization-SCL: 5", True),
        ("X-MS-Exchange-Organization-SCL: 9", True),
        ("X-MS-Exchange-Organization-SCL: 4", False),
        ("X-MS-Exchange-Organization-SCL: -1", False),
        ("X-MS-Exchange-Organization-SCL: many", False),
        ("X-Forefront-Antispam-Report: CIP:203.0.113.7;CTRY:;LANG:en;SCL:5;SRV:;SFV:SPM;DIR:INB;", True),
        ("X-Forefront-Antispam-Report: CIP:203.0.113.7;LANG:en;SCL:1;SFV:NSPM;DIR:INB;", False),
        ("X-Forefront-Antispam-Report-Untrusted: SCL:9;SFV:SPM;", False),
        ("X-Spam-Level: *********", False),
        ("X-Spam-Flag:", False),
    ],
)
def test_what_filters_write(field: str, spam: bool) -> None:
    """SpamAssassin, Rspamd and Exchange say it each in its way; a level without its limit says nothing."""
    assert spam is verdict(f"{field}\r\n{OURS}").spam
    assert not spam or verdict(f"{field}\r\n{OURS}").rule.lower().startswith(field.partition(":")[0].lower())


@pytest.mark.parametrize("head", [YES + OURS + FOREIGN, YES + INNER + OURS + FOREIGN, INNER + YES + OURS, YES])
def test_above_the_door_it_counts(head: str) -> None:
    """Above the Received by which the mail came in only our own servers write."""
    assert verdict(head).spam


@pytest.mark.parametrize("head", [OURS + YES, OURS + YES + FOREIGN, INNER + OURS + YES + FOREIGN, FOREIGN + YES + OURS])
def test_below_the_door_it_came_with_the_mail(head: str) -> None:
    """What a customer's own filter wrote as the mail went out, or a forger, says nothing here; the record names it."""
    assert SpamVerdict(doubted="X-Spam-Flag: YES") == verdict(head)
    assert SpamVerdict(doubted="X-Spam-Flag: YES") == verdict(OURS, tail=YES)


def test_a_name_that_a_server_would_have_to_quote_is_the_door() -> None:
    """A client cannot call itself one of our servers, so that what is below its hop would be believed."""
    odd = 'Received: from "x) by inner.example.com with LMTP (" by mx.example.com with ESMTP; x\r\n'
    assert not verdict(odd + YES).spam
    assert verdict(YES + odd).spam


def test_only_the_topmost_of_a_name_counts() -> None:
    """No mail talks its way out of its server's verdict, or out of another filter's."""
    assert verdict(f"{YES}X-Spam-Flag: NO\r\n{OURS}").spam
    assert not verdict(f"X-Spam-Flag: NO\r\n{YES}{OURS}").spam
    assert verdict(f"X-Spam-Flag: NO\r\nX-Rspamd-Action: reject\r\n{OURS}").spam


def test_servers_that_write_at_the_end() -> None:
    """Where the servers take away what mail brings along, as the settings say, the fields may lie anywhere."""
    assert verdict(OURS, BELOW, tail=YES).spam
    assert verdict(OURS, BELOW, tail="X-MS-Exchange-Organization-SCL: 6\r\n").spam


def test_exchange_itself_overrules_its_filters_report() -> None:
    """A transport rule of the team's sets the level to -1: the report still says what the filter thought."""
    report = "X-Forefront-Antispam-Report: SCL:5;SFV:SPM;\r\n"
    assert verdict(report + OURS).spam
    assert not verdict(f"X-MS-Exchange-Organization-SCL: -1\r\n{report}{OURS}").spam


@pytest.mark.parametrize("options", [ReadingOptions(), ReadingOptions(results_below_received=True)])
def test_without_a_trusted_server_nothing_is_known(options: ReadingOptions) -> None:
    """Whose field it is cannot be known where no server is trusted."""
    assert not verdict(YES + OURS, options).spam


def test_many_fields_cost_little() -> None:
    """A mail of ten thousand such fields is read like any other."""
    assert not verdict(OURS + "X-Spam-Status: Yes\r\n" * 10_000).spam
    assert len(verdict(f"X-Spam-Status: Yes{'!' * 100_000}\r\n{OURS}").rule) < 100


def test_no_mail_talks_its_way_out_of_a_verdict_at_the_end() -> None:
    """A mail that brings "no" along, above the server's "yes" at the end, is spam, if the server does not remove it."""
    assert verdict(OURS + "X-Spam-Flag: NO\r\n" * 100, BELOW, tail=YES).spam
    assert not verdict(OURS + "X-Spam-Flag: NO\r\n", BELOW).spam


@pytest.mark.fault("A20-14")
def test_an_scl_of_the_senders_own_lifts_no_verdict() -> None:
    """Where fields count anywhere in the header, one that a message brought along makes it no more welcome."""
    report = "X-Forefront-Antispam-Report: CIP:203.0.113.7;SCL:9;SFV:SPM;\r\n"
    assert verdict(f"{report}{OURS}X-MS-Exchange-Organization-SCL: -1\r\n", BELOW).spam
    assert not verdict(f"{report}X-MS-Exchange-Organization-SCL: -1\r\n{OURS}").spam
