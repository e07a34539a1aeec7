"""Presets fill in what is left out, and nothing else."""

import ipaddress
import re
from pathlib import Path

import pytest

from redmine_mailbridge.settings.effective import values
from redmine_mailbridge.settings.load import load, load_with_origins
from redmine_mailbridge.settings.presets import Preset, by_domain, by_mx, presets
from redmine_mailbridge.settings.value_types import reveal
from redmine_mailbridge.wiring import sending
from tests.unit.settings.given import problems, write

HEAD = '[redmine]\nurl = "https://redmine.example.com"\napi_key = "k"\n'
BOX = '[mailboxes.desk]\naddress = "desk@example.com"\npassword = "p"\nissue.project = "support"\n'
WANTED = """gmail microsoft365 outlook yahoo icloud fastmail zoho gmx web.de yandex mail.ru proton-bridge ovh ionos
strato mailbox.org posteo t-online aol infomaniak hetzner mailfence runbox one.com gandi hostinger godaddy
privateemail"""


@pytest.mark.parametrize("preset", presets().values(), ids=presets())
def test_every_preset_is_whole(preset: Preset) -> None:
    """Each provider has servers on ports that fit their security, advice, a page for people and where it was read."""
    ports = {("imap", "tls"): 993, ("pop3", "tls"): 995, ("smtp", "tls"): 465, ("smtp", "starttls"): 587}
    for which in ("imap", "pop3", "smtp"):
        server = getattr(preset, which)
        if server is None or server.host == "127.0.0.1":
            continue
        assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+){1,3}", server.host)
        assert ports[which, server.security] == server.port
    assert preset.title
    assert preset.source
    assert preset.advice.endswith(".")
    assert preset.help.startswith("https://")
    assert all(end == end.lower() and "." in end for end in (*preset.domains, *preset.mx))


def test_the_providers_that_people_have() -> None:
    """The providers that people ask for are all there, and no domain belongs to two."""
    assert set() == set(WANTED.split()) - set(presets())
    domains = [domain for preset in presets().values() for domain in preset.domains]
    assert len(set(domains)) == len(domains)


def test_a_preset_fills_what_is_left_out(tmp_path: Path) -> None:
    """Host, port, security and sending come from the preset, and `settings show` says so."""
    loaded = load_with_origins(write(tmp_path / "s.toml", f'{HEAD}{BOX}preset = "fastmail"\n'), {})
    box = loaded.settings.mailboxes["desk"]
    assert ("imap.fastmail.com", 993, "tls", "desk@example.com") == (box.host, box.port, box.security, box.username)
    assert ("smtp.fastmail.com", 465, "tls") == (box.outgoing.host, box.outgoing.port, box.outgoing.security)
    origins = {(v.table, v.key): str(v.origin) for v in values(loaded)}
    assert "preset fastmail" == origins["mailboxes.desk", "host"]
    assert "preset fastmail" == origins["mailboxes.desk.outgoing", "host"]
    assert "default" == origins["mailboxes.desk", "folders"]


def test_what_is_said_wins(tmp_path: Path) -> None:
    """What the admin says stays: another security brings its own port, an own host keeps the preset's port."""
    mine = 'preset = "gmx"\nsecurity = "starttls"\n'
    box = load(write(tmp_path / "s.toml", HEAD + BOX + mine), {}).mailboxes["desk"]
    assert ("imap.gmx.net", 143, "starttls") == (box.host, box.port, box.security)
    box = load(write(tmp_path / "s.toml", f'{HEAD}{BOX}preset = "gmx"\nprotocol = "pop3"\n'), {}).mailboxes["desk"]
    assert ("pop.gmx.net", 995) == (box.host, box.port)
    own = "[mailboxes.desk.outgoing]\nhost = 'smtp.example.com'\n"
    box = load(write(tmp_path / "s.toml", f'{HEAD}{BOX}preset = "gmx"\n{own}'), {}).mailboxes["desk"]
    assert ("smtp.example.com", None) == (box.outgoing.host, box.outgoing.port)
    environ = {"MAILBRIDGE_MAILBOXES__DESK__HOST": "imap.example.com"}
    box = load(write(tmp_path / "s.toml", f'{HEAD}{BOX}preset = "gmx"\n'), environ).mailboxes["desk"]
    assert ("imap.example.com", 993) == (box.host, box.port)


def test_one_server_for_all_answers(tmp_path: Path) -> None:
    """Where [outgoing] names a server for all mailboxes, a preset does not take its place."""
    text = f'{HEAD}[outgoing]\nhost = "relay.example.com"\n{BOX}preset = "gmx"\n'
    settings = load(write(tmp_path / "s.toml", text), {})
    assert "relay.example.com" == sending.sent_by(settings, settings.mailboxes["desk"]).host


def test_names_to_log_in_with(tmp_path: Path) -> None:
    """Where the provider wants the name before the @, it is that, and sending may want another with one password."""
    settings = load(write(tmp_path / "s.toml", f'{HEAD}{BOX}preset = "icloud"\n'), {})
    box = settings.mailboxes["desk"]
    out = sending.sent_by(settings, box)
    assert ("desk", "desk@example.com", "p") == (box.username, out.username, reveal(out.password))
    web = load(write(tmp_path / "s.toml", f'{HEAD}{BOX}preset = "web.de"\n'), {})
    assert ("desk", "desk") == (web.mailboxes["desk"].username, sending.sent_by(web, web.mailboxes["desk"]).username)


def test_a_preset_that_is_not_there(tmp_path: Path) -> None:
    """An unknown name is told with the one that was probably meant, and a protocol that the provider has not."""
    lines = problems(tmp_path, f'{HEAD}{BOX}preset = "gmial"\n')
    assert 'preset = "gmial": unknown preset, did you mean "gmail"?' in lines[-1]
    text = f'{HEAD}{BOX}preset = "icloud"\nprotocol = "pop3"\n'
    assert '[mailboxes.desk] protocol = "pop3": iCloud Mail: no POP3 server is known' in problems(tmp_path, text)[0]


def test_whose_address_it_is() -> None:
    """Addresses and mail exchangers lead to a provider, subdomains and the longest name first, others to none."""
    found = by_domain("contoso.onmicrosoft.com")
    assert found is not None
    assert "microsoft365" == found.name
    assert by_domain("example.com") is None
    assert by_domain("notgmail.com") is None
    exchangers = {
        "example-com.mail.protection.outlook.com.": "microsoft365",
        "outlook-com.olc.protection.outlook.com": "outlook",
        "ASPMX.L.GOOGLE.COM": "gmail",
        "mx-aol.mail.gm0.yahoodns.net": "aol",
        "mta5.am0.yahoodns.net": "yahoo",
    }
    assert exchangers == {host: getattr(by_mx((host,)), "name", None) for host in exchangers}
    assert by_mx(("mail.example.com",)) is None


def test_only_bridge_is_this_machine() -> None:
    """No preset but that of a program on this machine leads to an address instead of a name."""
    numeric = set()
    for name, preset in presets().items():
        try:
            ipaddress.ip_address(preset.imap.host)
        except ValueError:
            continue
        numeric.add(name)
    assert {"proton-bridge"} == numeric


def test_the_docs_name_them_all() -> None:
    """docs/admin/mailboxes.md has a row for each preset."""
    page = (Path(__file__).parents[3] / "docs" / "admin" / "mailboxes.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([^`]+)` \| [^|]+ \| (IMAP[^|]*) \|$", page, re.MULTILINE))
    assert {name: "IMAP, POP3" if one.pop3 else "IMAP" for name, one in presets().items()} == rows
