"""Authentication-Results as mail servers write them, from what a client chose: for tests that want to be believed.

Each writer follows the program's source: rspamd's lua_auth_results.lua, OpenDMARC's opendmarc.c, the policy server of
spf-engine (which takes the sender as Postfix hands it over, without its quotes, and prints it by authres), and the
fields that Microsoft 365 and Gmail write.
"""

import re
from dataclasses import dataclass

MX = "mx.corp.example"
_SPECIAL = frozenset('()<>,;:\\"/[]?= \t\v')


@dataclass(frozen=True, slots=True)
class Client:
    """Who sends: the local part of his envelope's sender, its domain, his HELO, and the domain that his From claims.

    `inner` is what stands between the quotes of that local part, backslashes as he wrote them; a plain word needs no
    quotes. `spf` and `dmarc` are what the server found ("" for dmarc: it does not look).
    """

    inner: str
    domain: str = "evil.example"
    helo: str = "mail.evil.example"
    author: str = "corp.example"
    spf: str = "pass"
    dmarc: str = ""

    @property
    def quoted(self) -> str:
        """The sender as it stands in the envelope (RFC 5321 section 4.1.2)."""
        plain = bool(re.fullmatch(r"[A-Za-z0-9.+-]+", self.inner))
        return f"{self.inner}@{self.domain}" if plain else f'"{self.inner}"@{self.domain}'

    @property
    def bare(self) -> str:
        """The sender as Postfix hands it to a policy server."""
        return re.sub(r"\\(.)", r"\1", self.inner) + f"@{self.domain}"


def _rspamd_quoted(text: str) -> str:
    """maybe_smtp_quote_value: quotes, and a backslash before quotes, though not before backslashes."""
    return '"' + text.replace('"', '\\"') + '"' if _SPECIAL & set(text) else text


def rspamd(client: Client) -> list[str]:
    """One field with everything; the sender stands in a comment, and again as a property."""
    sender = _rspamd_quoted(client.quoted)
    parts = [
        MX,
        f"spf={client.spf} ({MX}: domain of {sender} designates 192.0.2.66 as permitted sender) smtp.mailfrom={sender}",
    ]
    if client.dmarc == "pass":
        parts.append(f"dmarc=pass (policy=reject) header.from={client.author}")
    elif client.dmarc == "none":
        parts.append("dmarc=none")
    elif client.dmarc:
        parts.append(
            f'dmarc=fail reason="SPF not aligned (relaxed), No valid DKIM" header.from={client.author} (policy=none)'
        )
    return ["; ".join(parts)]


def opendmarc(client: Client) -> list[str]:
    """Two fields, its SPF result below; of the sender, what stands behind the first @, as it is."""
    domain = client.quoted.partition("@")[2]
    found = [f"{MX}; dmarc={client.dmarc} (p=none dis=none) header.from={client.author}"] if client.dmarc else []
    return [*found, f"{MX}; spf={client.spf} smtp.mailfrom={domain}"]


def plain(client: Client) -> list[str]:
    """One field by the letter of RFC 8601: the sender as an address."""
    found = f"{MX}; spf={client.spf} smtp.mailfrom={client.quoted}"
    return [f"{found}; dmarc={client.dmarc} header.from={client.author}" if client.dmarc else found]


def microsoft(client: Client) -> list[str]:
    """One field without a name; of the sender, the domain."""
    spf = f"spf={client.spf} (sender IP is 192.0.2.66) smtp.mailfrom={client.domain}"
    dmarc = f"dmarc={client.dmarc or 'none'} action=none header.from={client.author}"
    return [f"{spf}; dkim=none (message not signed) header.d=none;{dmarc};compauth=fail reason=001"]


def google(client: Client) -> list[str]:
    """One field; the sender stands in a comment, and again as a property, in quotes where it has to."""
    shown = client.quoted
    if shown.startswith('"'):
        shown = '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'
    comment = f"google.com: domain of {client.quoted} designates 192.0.2.66 as permitted sender"
    found = [f"{MX}; spf={client.spf} ({comment}) smtp.mailfrom={shown}"]
    if client.dmarc:
        found.append(f"dmarc={client.dmarc} (p=NONE sp=NONE dis=NONE) header.from={client.author}")
    return ["; ".join(found)]


def policy_server(client: Client) -> list[str]:
    """One field; the sender without its quotes, as a property and in a comment."""
    comment = f"client-ip=192.0.2.66; helo={client.helo}; envelope-from={client.bare}; receiver=support@corp.example"
    return [f"{MX}; spf={client.spf} (sender SPF authorized) smtp.mailfrom={client.bare} ({comment})"]


WRITERS = {
    "rspamd": rspamd,
    "OpenDMARC": opendmarc,
    "Microsoft": microsoft,
    "Google": google,
    "a policy server": policy_server,
    "the RFC": plain,
}
