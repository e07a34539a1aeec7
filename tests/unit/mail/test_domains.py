"""The organisation behind a domain is the same whichever form of the list of public suffixes is read."""

import pytest
from publicsuffixlist import PublicSuffixList

from redmine_mailbridge.mail.domains import is_public_suffix, organisation

EVERYTHING = PublicSuffixList()


@pytest.mark.parametrize(
    "domain",
    [
        "example.com", "mail.example.co.uk", "co.uk", "com", "intranet", "host.intranet", "kim.github.io", "github.io",
        "city.kawasaki.jp", "a.b.kawasaki.jp", "www.ck", "a.www.ck", "shop.xn--55qx5d.cn", "xn--55qx5d.cn",
        "a.b.xn--p1ai", "xn--p1ai", "www.xn--85x722f.com.cn",
    ],
)  # fmt: skip
def test_the_whole_list_says_the_same(domain: str) -> None:
    """Domains in ASCII and with encoded labels are judged as by the list that holds every suffix in both forms."""
    assert (EVERYTHING.privatesuffix(domain) or "") == organisation(domain)
    assert (EVERYTHING.publicsuffix(domain, accept_unknown=False) == domain) == is_public_suffix(domain)


@pytest.mark.parametrize(("spoken", "encoded"), [("büro.рф", "xn--bro-hoa.xn--p1ai"), ("a.公司.cn", "a.xn--55qx5d.cn")])
def test_both_spellings_are_one_organisation(spoken: str, encoded: str) -> None:
    """A domain in its own script belongs to whom its encoded form belongs to."""
    assert encoded == organisation(spoken) == organisation(f"mail.{spoken}")
