"""The mail providers of presets.toml: `preset = "NAME"` sets the mailbox's keys that the admin leaves out."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from redmine_mailbridge.settings.loading.origins import Layer, ValueOrigin
from redmine_mailbridge.util.dataclass import dataclass

LoginPattern = Literal["address", "local"]


@dataclass(frozen=True, slots=True)
class PresetServer:
    """One server: its address, its connection security and its login name."""

    host: str
    port: int
    security: Literal["tls", "starttls"]
    username: LoginPattern = "address"

    def login(self, address: str) -> str:
        """Given a mail address, return the name to log in with."""
        return address if self.username == "address" else address.rpartition("@")[0]


@dataclass(frozen=True, slots=True)
class Preset:
    """One provider. The fields are explained at the top of presets.toml."""

    name: str
    title: str
    imap: PresetServer
    pop3: PresetServer | None
    graph: PresetServer | None
    smtp: PresetServer
    advice: str
    help: str
    source: str
    domains: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()
    junk: str = ""
    oauth: str = ""

    @property
    def tokens_only(self) -> bool:
        """Whether the provider accepts only OAuth tokens."""
        return self.oauth == "microsoft365"

    def incoming(self, protocol: str) -> PresetServer | None:
        """Given "imap", "pop3" or "graph", return the server; None if the provider has none."""
        return {"imap": self.imap, "pop3": self.pop3, "graph": self.graph}.get(protocol)


@cache
def presets() -> Mapping[str, Preset]:
    """Return all providers by name."""
    text = files("redmine_mailbridge.settings").joinpath("presets.toml").read_text("utf-8")
    return {name: _preset(name, table) for name, table in tomllib.loads(text).items()}


def _preset(name: str, table: Mapping[str, Any]) -> Preset:
    """Given a table of presets.toml, return the provider. A key that Preset does not have is a TypeError."""
    rest = dict(table)
    username: LoginPattern = rest.pop("username", "address")
    servers: dict[str, PresetServer | None] = {"imap": None, "pop3": None, "graph": None, "smtp": None}
    for which in servers:
        if which in rest:
            servers[which] = PresetServer(**({"username": username} | rest.pop(which)))
    lists = {key: tuple(rest.pop(key, ())) for key in ("domains", "mx")}
    return Preset(name=name, **servers, **lists, **rest)  # type: ignore[arg-type]


def by_domain(domain: str) -> Preset | None:
    """Given the domain of an address, return the provider that it certainly belongs to; subdomains match too."""
    return _longest((domain,), "domains")


def by_mx(hosts: tuple[str, ...]) -> Preset | None:
    """Given the names of a domain's mail exchangers, return the provider that they belong to."""
    return _longest(hosts, "mx")


def _longest(names: tuple[str, ...], which: Literal["domains", "mx"]) -> Preset | None:
    best: tuple[int, Preset | None] = (0, None)
    for name in names:
        dotted = "." + name.lower().rstrip(".")
        for preset in presets().values():
            for end in getattr(preset, which):
                if dotted.endswith("." + end) and len(end) > best[0]:
                    best = (len(end), preset)
    return best[1]


def fill_in(merged: Layer) -> list[tuple[tuple[str, ...], str]]:
    """Given the merged values, add what the mailboxes' presets know and no source sets, with its origin.

    Return path and text of each setting that the provider does not support.
    """
    in_vain: list[tuple[tuple[str, ...], str]] = []
    boxes = merged.data.get("mailboxes")
    outgoing = merged.data.get("outgoing")
    everywhere = isinstance(outgoing, Mapping) and _reaches(outgoing)
    for name, box in boxes.items() if isinstance(boxes, Mapping) else ():
        if isinstance(box, dict) and box.get("protocol") == "deliver":
            if {"host", "security"} & box.keys():
                words = 'protocol = "deliver" reads no server; remove host and security'
                in_vain.append((("mailboxes", name, "protocol"), words))
            for key, value in (("host", "localhost"), ("security", "none")):
                merged.put(("mailboxes", name, key), value, ValueOrigin("preset", "deliver"))
            continue
        preset = presets().get(box["preset"]) if isinstance(box, dict) and isinstance(box.get("preset"), str) else None
        if preset is None:
            continue
        protocol = box.get("protocol", "imap")
        if protocol in {"pop3", "graph"} and preset.incoming(protocol) is None and "host" not in box:
            words = f"{preset.title}: no {protocol.upper()} server is known; set host, or use imap"
            in_vain.append((("mailboxes", name, "protocol"), words))
        for path, value in _missing(preset, box, everywhere=everywhere):
            merged.put(("mailboxes", name, *path), value, ValueOrigin("preset", preset.name))
    return in_vain


def _missing(preset: Preset, box: Mapping[str, Any], *, everywhere: bool) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Given a mailbox's table, yield path and value of keys that its preset knows and the table leaves out."""
    server = preset.incoming(box.get("protocol", "imap"))
    address = box.get("address")
    if server is not None:
        yield from (((key,), value) for key, value in _reach(server, box))
        if "username" not in box and server.username == "local" and isinstance(address, str):
            yield ("username",), server.login(address)
    own = box.get("outgoing", {})
    if everywhere or not isinstance(own, Mapping) or _reaches(own):
        return
    yield from ((("outgoing", key), value) for key, value in _reach(preset.smtp, own))
    differs = server is not None and preset.smtp.username != server.username
    if "username" not in own and differs and isinstance(address, str):
        yield ("outgoing", "username"), preset.smtp.login(address)


def _reaches(outgoing: Mapping[str, Any]) -> bool:
    """Does a table for outgoing mail alone determine the server?"""
    return "host" in outgoing or outgoing.get("transport") in {"console", "graph"}


def _reach(server: PresetServer, table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield host, security and port where they are left out; a security other than the preset's has another port."""
    if "host" not in table:
        yield "host", server.host
    if "security" not in table:
        yield "security", server.security
    if "port" not in table and table.get("security", server.security) == server.security:
        yield "port", server.port
