"""What `scripts/demo` does: real servers, real mails, the bridge, and a table of the result of each message."""

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
from rich.text import Text

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
start_from = "all"                     # what lies there counts too
host = "127.0.0.1"
port = {port}
security = "none"                      # on this machine only
password_file = "secrets/mail"
reading.trusted_authserv_ids = ["{mx}"]
answers.redmine_users = "leave_to_redmine"   # nothing is mailed here
issue.project = "support"
issue.tracker = "Support"
issue.allow_override = "priority"      # a user may write "Priority: High"

[mailboxes.sales]
address = "sales@example.com"
start_from = "all"
host = "127.0.0.1"
port = {port}
security = "none"
password_file = "secrets/mail"
reading.trusted_authserv_ids = ["{mx}"]
answers.redmine_users = "leave_to_redmine"
senders.block = ["lottery.example"]
issue.project = "sales"
"""


WIDTH = 100
PATIENCE = 60.0
"""Seconds for which the demo comes back to mails that had to wait, as the service would."""


def main() -> int:
    """Run the demo. Return 0; 1 when something failed; 3 when the real servers cannot be had here."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description="The bridge at work on a real Redmine.")
    parser.add_argument("--redmine", choices=sorted(SUITES), default="6.1", help="version (default: %(default)s)")
    asked = parser.parse_args()
    console = Console(width=min(Console().width, 120) if sys.stdout.isatty() else WIDTH)
    directory = Path(".services") / f"demo-{asked.redmine}"
    console.print(f"demo: starting Redmine {asked.redmine} and Dovecot (some minutes the first time, seconds later)")
    try:
        state = services.up(asked.redmine, directory.resolve())
    except Unavailable as why:
        console.print(f"demo: {why}", markup=False)
        return 3
    except (TimeoutError, RuntimeError) as why:
        console.print(f"demo: {why}", markup=False)
        return 1
    return show_bridge(state, directory / "bridge", console)


def show_bridge(state: services.State, folder: Path, console: Console) -> int:
    """Given running servers and a folder for the bridge, deliver mails, receive, and tell. Return 0, or 1."""
    write_settings(folder, state)
    mails = demo_mails(secrets.token_hex(4))
    for mail in mails:
        Mailbox(state["dovecot"], f"{mail.mailbox}@example.com").append(mail.content)
    console.print(f"demo: {len(mails)} mails delivered to support@example.com and sales@example.com; the bridge runs\n")
    began = time.monotonic()
    outcomes, codes = receive_all(mails, folder)
    seconds = time.monotonic() - began
    show(console, mails, outcomes, state["redmine"]["url"])
    first = min((outcomes[mail.key]["id"] for mail in mails if mail.key in outcomes), default=1)
    tell(console, state, folder, f"{len(mails)} mails in {seconds:.1f} s, start-up included", first)
    well = codes == 0 and all(ended(outcomes.get(mail.key)) for mail in mails)
    if not well:
        console.print(f"demo: not every mail came to its end; {folder}/bridge.log says why:", style="red", markup=False)
        *_, last = ["", *(folder / "bridge.log").read_text("utf-8").splitlines()]
        console.print(last, markup=False, soft_wrap=True)
    return 0 if well else 1


def ended(outcome: dict[str, Any] | None) -> bool:
    """Given what the bridge last said of a mail, say whether that was its end."""
    return outcome is not None and outcome["state"] not in ("stored", "write_pending")


def receive_all(mails: list[DemoMail], folder: Path) -> tuple[dict[str, dict[str, Any]], int]:
    """Given what was delivered, receive until each mail has come to its end, as the service would.

    Return what was last said of each mail, by `DemoMail.key`, and the exit code of the last pass.
    """
    found: dict[str, dict[str, Any]] = {}
    deadline = time.monotonic() + PATIENCE
    while True:
        outcomes, code = receive(folder)
        for name in ("subject", "message_id"):
            found |= {outcome[name]: outcome for outcome in outcomes}
        waiting = [found.get(mail.key) for mail in mails if not ended(found.get(mail.key))]
        if not waiting or time.monotonic() > deadline or (code and not found):  # it did not even begin
            return found, code
        due = min((one["retry_at"] for one in waiting if one and one["retry_at"]), default=time.time() + 1)
        time.sleep(min(max(due - time.time(), 0.2), 20))


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


def show(console: Console, mails: list[DemoMail], outcomes: dict[str, dict[str, Any]], url: str) -> None:
    """Print a row a mail, in the order in which they were delivered."""
    table = Table(title="The result of each message", show_lines=True, title_justify="left")
    for heading in ("message", "subject", "result", "reason"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "result")
    for mail in mails:
        outcome = outcomes.get(mail.key)
        if outcome is None:
            table.add_row(mail.what, "", Text("not seen", "red"), "")
            continue
        issue = f"{url}/issues/{outcome['issue']}" if outcome["issue"] else ""
        filed = f"→ {outcome['filed']}" if outcome["filed"] else "still in the mailbox"
        result = "\n".join(filter(None, (outcome["action"] or outcome["state"], issue, filed)))
        table.add_row(mail.what, Text(outcome["subject"] or ""), Text(result), Text(outcome["reason"]))
    console.print(table)


def tell(console: Console, state: services.State, folder: Path, sums: str, first: int) -> None:
    """Print where to look and what to do next."""
    url, admin = state["redmine"]["url"], state["redmine"]["admin"]
    lines = (
        f"{sums}.",
        "",
        f"Redmine:          {url}/issues   login {admin['login']}, password {admin['password']}",
        f"Settings:         {folder}/settings.toml",
        f"Log:              {folder}/bridge.log",
        f"One message:      cd {folder} && {sys.executable} -m redmine_mailbridge messages {first}",
        f"More messages:    scripts/demo --redmine {state['version']}",
        f"End the servers:  scripts/services down --dir {state['dir']}",
        'Next:             README.md, "Install"',
    )
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())
