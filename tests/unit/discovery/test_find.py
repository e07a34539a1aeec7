"""Finding an address's servers, with a web and a name service of our own on loopback."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import dns.resolver
import pytest
import requests

from redmine_mailbridge.discovery.dns_records import Records
from redmine_mailbridge.discovery.find import LookupMethods, Probe, discover
from redmine_mailbridge.discovery.http import SIZE, Web
from redmine_mailbridge.discovery.model import DiscoveryStep
from redmine_mailbridge.discovery.output import nothing
from redmine_mailbridge.errors import SettingsError
from tests.servers.web import Answer, WebServer, name_server, web_server

ADDRESS = "desk@firm.example"
AUTOCONFIG = "https://autoconfig.firm.example/mail/config-v1.1.xml"
WELL_KNOWN = "https://firm.example/.well-known/autoconfig/mail/config-v1.1.xml"
AUTODISCOVER = "https://autodiscover.firm.example/autodiscover/autodiscover.xml"

CONFIG = b"""<?xml version="1.0"?>
<clientConfig version="1.1"><emailProvider id="firm.example">
<domain>firm.example</domain>
<incomingServer type="imap"><hostname>in.%EMAILDOMAIN%</hostname><port>143</port><socketType>plain</socketType>
<username>%EMAILADDRESS%</username></incomingServer>
<incomingServer type="imap"><hostname>in.%EMAILDOMAIN%</hostname><port>993</port><socketType>SSL</socketType>
<username>%EMAILLOCALPART%</username><authentication>OAuth2</authentication></incomingServer>
<incomingServer type="pop3"><hostname>-bad host-</hostname><port>995</port><socketType>SSL</socketType></incomingServer>
<outgoingServer type="smtp"><hostname>out.firm.example</hostname><port>587</port><socketType>STARTTLS</socketType>
<username>%EMAILADDRESS%</username></outgoingServer>
</emailProvider></clientConfig>"""
RESPONSE = b"""<?xml version="1.0"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
<Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"><Account>
<AccountType>email</AccountType><Action>settings</Action>
<Protocol><Type>IMAP</Type><Server>imap.firm.example</Server><Port>993</Port><Encryption>SSL</Encryption></Protocol>
<Protocol><Type>POP3</Type><Server>pop.firm.example</Server><SSL>off</SSL></Protocol>
<Protocol><Type>SMTP</Type><Server>smtp.firm.example</Server><Port>587</Port><Encryption>TLS</Encryption>
<LoginName>desk</LoginName></Protocol></Account></Response></Autodiscover>"""

World = Callable[..., tuple[LookupMethods, WebServer]]


@pytest.fixture
def world() -> Iterator[World]:
    """Makes a world of given pages and DNS records, in which nobody answers a knock unless `probe` says so."""
    with ExitStack() as stack:

        def make(
            pages: Mapping[str, Answer] | None = None,
            records: Mapping[tuple[str, str], list[str]] | None = None,
            probe: Probe = lambda _host, _port: False,
        ) -> tuple[LookupMethods, WebServer]:
            web = stack.enter_context(web_server(pages or {}))
            names = stack.enter_context(name_server(records or {}))
            return LookupMethods(Web(web.locate), Records(names), probe), web

        yield make


def found(steps: list[DiscoveryStep]) -> tuple[str, tuple[str, ...], dict[tuple[str, ...], str | int]]:
    """Given the steps, return the name of the one that found something, its servers, and the settings."""
    last = steps[-1]
    assert last.offer is not None, steps
    assert all(step.offer is None for step in steps[:-1])
    return last.name, tuple(map(str, last.offer.servers)), dict(last.offer.settings(ADDRESS))


def test_a_known_provider_asks_nobody(world: World) -> None:
    """An address of a known provider is answered from the presets, and nobody is asked."""
    ways, web = world()
    steps = list(discover("desk@gmail.com", ways))
    assert ["gmail: Gmail and Google Workspace"] == [step.words for step in steps]
    assert ("preset", {("preset",): "gmail"}) == found(steps)[::2]
    assert [] == web.asked


@pytest.mark.parametrize("place", [AUTOCONFIG, WELL_KNOWN])
def test_autoconfig(world: World, place: str) -> None:
    """The domain's own autoconfig is read at both places; what has no TLS or no usable name is left out."""
    ways, _ = world({place: Answer(content=CONFIG)})
    name, servers, settings = found(list(discover(ADDRESS, ways)))
    assert ("autoconfig", ("imap in.firm.example:993 tls", "smtp out.firm.example:587 starttls")) == (name, servers)
    assert {
        ("host",): "in.firm.example", ("port",): 993, ("security",): "tls", ("username",): "desk",
        ("outgoing", "host"): "out.firm.example", ("outgoing", "port"): 587, ("outgoing", "security"): "starttls",
        ("outgoing", "username"): ADDRESS,
    } == settings  # fmt: skip


def test_a_server_for_tokens_only(world: World) -> None:
    """A server that takes nothing but OAuth is told as that."""
    ways, _ = world({AUTOCONFIG: Answer(content=CONFIG)})
    offer = list(discover(ADDRESS, ways))[-1].offer
    assert offer is not None
    assert [True, False] == [server.oauth_only for server in offer.servers]


def test_the_public_list_learns_only_the_domain(world: World) -> None:
    """Thunderbird's list comes last and is told the domain, not the address."""
    ways, web = world({"https://autoconfig.thunderbird.net/v1.1/firm.example": Answer(content=CONFIG)})
    assert "autoconfig" == found(list(discover(ADDRESS, ways)))[0]
    told = [ask.url for ask in web.asked if ADDRESS in ask.url]
    assert [AUTOCONFIG, WELL_KNOWN] == [url.partition("?")[0] for url in told]


def test_what_was_not_protected_is_said(world: World) -> None:
    """An answer over plain HTTP is taken as a last resort, with a warning, and that place is not told the address."""
    ways, web = world({AUTOCONFIG.replace("https", "http"): Answer(content=CONFIG)})
    offer = list(discover(ADDRESS, ways))[-1].offer
    assert offer is not None
    assert "plain HTTP" in offer.advice
    assert [""] == [ask.url.partition("?")[2] for ask in web.asked if ask.url.startswith("http:")]


def test_srv_records(world: World) -> None:
    """SRV records: lowest priority, then highest weight; TLS before STARTTLS; a dot says that there is none."""
    records = {
        ("_imaps._tcp.firm.example", "SRV"): ["20 1 993 later.firm.example.", "10 5 993 b.firm.example.",
                                              "10 9 1993 a.firm.example."],
        ("_imap._tcp.firm.example", "SRV"): ["0 0 143 c.firm.example."],
        ("_pop3s._tcp.firm.example", "SRV"): ["0 0 0 ."],
        ("_submission._tcp.firm.example", "SRV"): ["0 1 587 smtp.elsewhere.example."],
    }  # fmt: skip
    ways, _ = world(None, records)
    steps = list(discover(ADDRESS, ways))
    name, servers, _ = found(steps)
    assert ("SRV", ("imap a.firm.example:1993 tls", "imap c.firm.example:143 starttls",
                    "smtp smtp.elsewhere.example:587 starttls")) == (name, servers)  # fmt: skip
    assert steps[-1].offer is not None
    assert "smtp.elsewhere.example: not of firm.example" in steps[-1].offer.advice


@pytest.mark.parametrize(
    ("host", "said"),
    [
        pytest.param("evilfirm.example", True, marks=pytest.mark.fault("V21")),
        ("in.FIRM.example", False),
        ("firm.example", False),
        ("example", True),
    ],
)
def test_a_name_that_ends_like_the_domain(world: World, host: str, said: bool) -> None:
    """A server of another domain whose name ends with the same letters is told as one of elsewhere."""
    ways, _ = world(None, {("_imaps._tcp.firm.example", "SRV"): [f"0 0 993 {host}."]})
    (advice,) = [step.offer.advice for step in discover(ADDRESS, ways) if step.offer is not None]
    assert said == ("not of firm.example" in advice)


def test_mail_exchangers(world: World) -> None:
    """The preferred mail exchanger names the provider of a domain of one's own."""
    records = {("firm.example", "MX"): ["20 other.example.", "10 firm-example.mail.protection.outlook.com."]}
    ways, _ = world(None, records)
    steps = list(discover(ADDRESS, ways))
    assert "firm-example.mail.protection.outlook.com: microsoft365, " in steps[-1].words
    assert ("MX", {("preset",): "microsoft365"}) == found(steps)[::2]


def test_autodiscover(world: World) -> None:
    """Autodiscover's servers are read, those without TLS left out."""
    ways, web = world({AUTODISCOVER: Answer(content=RESPONSE)}, {("firm.example", "MX"): ["10 mx.firm.example."]})
    name, servers, settings = found(list(discover(ADDRESS, ways)))
    assert ("autodiscover", ("imap imap.firm.example:993 tls", "smtp smtp.firm.example:587 starttls")) == (
        name,
        servers,
    )
    assert ("desk", None) == (settings["outgoing", "username"], settings.get(("username",)))
    posted = next(ask for ask in web.asked if ask.method == "POST")
    assert b"<EMailAddress>desk@firm.example</EMailAddress>" in posted.body


def test_autodiscover_of_an_exchange_server(world: World) -> None:
    """Exchange asks for a login, which it is not given; it is told what it is."""
    demand = Answer(401, headers={"WWW-Authenticate": "Basic realm=x"})
    ways, web = world({AUTODISCOVER: demand}, {("firm.example", "MX"): ["10 mx.firm.example."]})
    steps = list(discover(ADDRESS, ways))
    assert "asks for a login: an Exchange server" in next(step.words for step in steps if step.name == "autodiscover")
    assert all(step.offer is None for step in steps)
    assert 1 == sum(ask.url == AUTODISCOVER for ask in web.asked)


def test_autodiscover_that_leads_to_the_cloud(world: World) -> None:
    """A redirection to Microsoft's cloud says that it is Microsoft 365."""
    cloud = "https://autodiscover-s.outlook.com/autodiscover/autodiscover.xml"
    ways, _ = world({AUTODISCOVER.replace("https", "http"): Answer(302, location=cloud)})
    assert ("autodiscover", {("preset",): "microsoft365"}) == found(list(discover(ADDRESS, ways)))[::2]


def test_a_guess_must_answer(world: World) -> None:
    """Usual names are guessed last, and only those behind which a server answers."""
    records = {(f"{name}.firm.example", "A"): ["192.0.2.1"] for name in ("imap", "mail", "smtp")}
    ways, _ = world(None, records, lambda host, port: (host, port) == ("mail.firm.example", 993))
    assert ("guess", ("imap mail.firm.example:993 tls",)) == found(list(discover(ADDRESS, ways)))[:2]


def test_nothing(world: World) -> None:
    """A domain that publishes nothing: one line for each way, and no servers."""
    ways, _ = world()
    steps = list(discover(ADDRESS, ways))
    assert ["preset", "autoconfig", "SRV", "MX", "autodiscover", "guess"] == [step.name for step in steps]
    assert all(step.offer is None and step.words and "\n" not in step.words for step in steps)
    assert "firm.example has no mail exchanger: check the spelling" == steps[3].words
    assert nothing(steps).startswith("Nothing found: ask your provider")


def test_without_a_network() -> None:
    """Where neither DNS nor anybody else can be reached, that is said, and no domain is said not to exist."""

    def away(_url: str) -> str:
        raise requests.ConnectionError("[Errno -3] Temporary failure in name resolution")

    deaf = dns.resolver.Resolver(configure=False)
    deaf.nameservers = []
    steps = list(discover(ADDRESS, LookupMethods(Web(away), Records(deaf), lambda _host, _port: False)))
    assert [False, True, True, True, True, True] == [step.away for step in steps]
    assert all("DNS does not answer" in step.words for step in steps[1:])
    assert "has this machine a network" in nothing(steps)


def test_everything(world: World) -> None:
    """Asked for everything, it goes on after the first find."""
    ways, _ = world({AUTOCONFIG: Answer(content=CONFIG), AUTODISCOVER: Answer(content=RESPONSE)})
    steps = list(discover(ADDRESS, ways, everything=True))
    assert ["autoconfig", "autodiscover"] == [step.name for step in steps if step.offer is not None]


def test_nobody_is_told_who_we_are(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No request carries a login or a cookie, not even when the server asks and a netrc has one."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password secret\n", "utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    demand = Answer(401, headers={"WWW-Authenticate": "Basic realm=x", "Set-Cookie": "a=b"})
    ways, web = world({AUTOCONFIG: demand, WELL_KNOWN: demand, AUTODISCOVER: demand})
    list(discover(ADDRESS, ways))
    assert 5 < len(web.asked)
    assert set() == {"authorization", "cookie"} & {name for ask in web.asked for name in ask.headers}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html>Welcome", "not XML"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><clientConfig>&x;</clientConfig>', "expected kind"),
        (b"<clientConfig>" + b"<a/>" * 6000 + b"</clientConfig>", "expected kind"),
        (b"<a>" * 3000, "not XML"),
        (b"<other/>", "not an autoconfig document"),
        (b" " * (SIZE + 1), "is larger than 256 KiB"),
        (CONFIG.replace(b"SSL", b"plain"), "names no server with TLS"),
        (CONFIG.replace(b"993", b"99999"), "names no server with TLS"),
    ],
)
def test_what_is_not_believed(world: World, content: bytes, words: str) -> None:
    """Documents that are too large, no XML, with entities, or without TLS are passed by, with a word on why."""
    ways, _ = world({AUTOCONFIG: Answer(content=content)})
    step = list(discover(ADDRESS, ways))[1]
    assert step.offer is None
    assert words in step.words.split(";")[0]


@pytest.mark.parametrize(
    ("target", "believed"),
    [
        ("https://config.provider.example/firm.xml", True),
        ("http://config.provider.example/firm.xml", False),
        ("https://me:secret@config.provider.example/firm.xml", False),
        ("file:///etc/passwd", False),
    ],
)
def test_where_it_may_be_sent(world: World, target: str, believed: bool) -> None:
    """A redirection is followed to protected addresses only."""
    there = "https://config.provider.example/firm.xml"
    ways, web = world({AUTOCONFIG: Answer(301, location=target), there: Answer(content=CONFIG)})
    step = list(discover(ADDRESS, ways))[1]
    assert believed == (step.offer is not None)
    assert believed == any("provider.example" in ask.url for ask in web.asked)


def test_a_circle(world: World) -> None:
    """A place that sends us to itself is left after a few rounds."""
    ways, web = world({AUTOCONFIG: Answer(301, location=AUTOCONFIG)})
    list(discover(ADDRESS, ways))
    assert 4 == sum(ask.url.startswith(AUTOCONFIG) for ask in web.asked)


@pytest.mark.parametrize("address", ["nobody", "a@", "@firm.example", "a@b", "a b@firm.example", "a@f/../x.example"])
def test_no_address(world: World, address: str) -> None:
    """What is no address is refused before anybody is asked."""
    ways, web = world()
    with pytest.raises(SettingsError, match="is not a mail address"):
        list(discover(address, ways))
    assert [] == web.asked


def test_a_domain_of_other_letters(world: World) -> None:
    """A domain in any script is asked for in the letters that DNS knows."""
    ways, _ = world(None, {("xn--bro-hoa.example", "MX"): ["10 aspmx.l.google.com."]})
    assert "MX" == found(list(discover("post@büro.example", ways)))[0]
