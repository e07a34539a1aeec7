"""What `scripts/demo` does: real servers, real mails, the bridge, and a table of what became of each mail."""

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.servers import services
from tests.servers.demo_mails import MX, DemoMail, demo_mails
from tests.servers.mail import Mailbox
from tests.servers.trees import SUITES, Unavailable

SETTINGS = """# Written by scripts/demo; see settings.example.toml for everything that can stand here.
[redmine]
url = "{url}"
api_key_file = "secrets/redmine-api-key"
text_format = "{text_format}"

[mailboxes.support]
address = "support@example.com"
host = "127.0.0.1"
port = {port}
security = "none"                      # on this machine only
password_file = "secrets/mail"
reading.trusted_authserv_ids = ["{mx}"]
issue.project = "support"
issue.tracker = "Support"
issue.allow_override = "priority"      # a user may write "Priority: High"

[mailboxes.sales]
address = "sales@example.com"
host = "127.0.0.1"
port = {port}
security = "none"
password_file = "secrets/mail"
reading.trusted_authserv_ids = ["{mx}"]
senders.block = ["lottery.example"]
issue.project = "sales"
"""


def main() -> int:
    """Run the demo. Return 0; 1 when something failed; 3 when the real servers cannot be had here."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description="The bridge at work on a real Redmine.")
    parser.add_argument("--redmine", choices=sorted(SUITES), default="6.1", help="version (default: %(default)s)")
    asked = parser.parse_args()
    console = Console(width=min(Console().width, 120) if sys.stdout.isatty() else 120)
    directory = Path(".services") / f"demo-{asked.redmine}"
    console.print(f"demo: starting Redmine {asked.redmine} and Dovecot (some minutes the first time, seconds later)")
    try:
        state = services.up(asked.redmine, directory.resolve())
    except Unavailable as why:
        console.print(f"demo: {why}", markup=False)
        return 3
    folder = directory / "bridge"
    write_settings(folder, state)
    mails = demo_mails(secrets.token_hex(4))
    for mail in mails:
        Mailbox(state["dovecot"], f"{mail.mailbox}@example.com").append(mail.content)
    console.print(f"demo: {len(mails)} mails delivered to support@example.com and sales@example.com; the bridge runs\n")
    began = time.monotonic()
    outcomes, code = receive(folder)
    show(console, mails, outcomes, state["redmine"]["url"])
    tell(console, state, folder, f"{len(outcomes)} mails in {time.monotonic() - began:.1f} s, start-up included")
    return code


def write_settings(folder: Path, state: services.State) -> None:
    """Given a folder and the servers, write settings and secrets for the bridge, as an admin would."""
    kept = folder / "secrets"
    kept.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, value in (
        ("redmine-api-key", state["redmine"]["admin"]["api_key"]),
        ("mail", state["dovecot"]["password"]),
    ):
        file = kept / name
        file.touch(mode=0o600)
        file.write_text(value)
    redmine, port = state["redmine"], state["dovecot"]["imap_port"]
    text = SETTINGS.format(url=redmine["url"], text_format=redmine["text_format"], port=port, mx=MX)
    (folder / "settings.toml").write_text(text)


def receive(folder: Path) -> tuple[list[dict[str, Any]], int]:
    """Given the bridge's folder, let it receive once. Return what it printed of each mail, and its exit code."""
    command = [sys.executable, "-m", "redmine_mailbridge", "receive", "--once", "--json"]
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    with (folder / "bridge.log").open("a") as log:
        ran = subprocess.run(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True, check=False
        )
    return [json.loads(line) for line in ran.stdout.splitlines()], ran.returncode


def show(console: Console, mails: list[DemoMail], outcomes: list[dict[str, Any]], url: str) -> None:
    """Print a row a mail, in the order in which they were delivered."""
    found: dict[str, list[dict[str, Any]]] = {}
    for outcome in sorted(outcomes, key=lambda one: one["id"]):
        found.setdefault(outcome["mailbox"], []).append(outcome)
    table = Table(title="What became of each mail", show_lines=True, title_justify="left")
    for heading in ("mail", "subject", "became", "why"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "became")
    for mail in mails:
        rows = found.get(mail.mailbox, [])
        outcome = rows.pop(0) if rows else None
        if outcome is None:
            table.add_row(mail.what, "", "[red]not seen[/red]", "")
            continue
        issue = f"{url}/issues/{outcome['issue']}" if outcome["issue"] else ""
        became = "\n".join(filter(None, (outcome["action"] or outcome["state"], issue, f"→ {outcome['filed']}")))
        table.add_row(mail.what, outcome["subject"] or "", became, outcome["reason"])
    console.print(table)


def tell(console: Console, state: services.State, folder: Path, sums: str) -> None:
    """Print where to look and what to do next."""
    url, admin = state["redmine"]["url"], state["redmine"]["admin"]
    lines = (
        f"{sums}.",
        "",
        f"Look at it:      {url}/issues   login {admin['login']}, password {admin['password']}",
        f"The settings:    {folder}/settings.toml   (the bridge's log: {folder}/bridge.log)",
        f"A mail's story:  cd {folder} && {sys.executable} -m redmine_mailbridge messages 1",
        "More mails:      scripts/demo once more",
        f"End the servers: scripts/services down --dir {state['dir']}",
        'Next:            README.md, "Install it for your Redmine"',
    )
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
