"""Turns the answers of `init` into a draft of the settings."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redmine_mailbridge.cli.setup.form import Answers, from_environment
from redmine_mailbridge.settings.init_file import InitFile
from redmine_mailbridge.settings.loading.environment import variable_of
from redmine_mailbridge.settings.presets import Preset, presets

if TYPE_CHECKING:
    from redmine_mailbridge.discovery.model import Offer

ANSWERS_REACH_NO_CUSTOMER = (
    "customers would not get the answers of agents: add --answers public_notes (or marked) with --smtp-host; or "
    "--redmine-users leave_to_redmine if Redmine itself mails customers with an account"
)
Values = dict[tuple[str, ...], Any]


def name_of(answers: Answers) -> str:
    """The mailbox's name: as given, else the local part of its address, reduced to the characters allowed in a name."""
    if answers.get("mailbox"):
        return str(answers["mailbox"])
    local = str(answers["address"]).partition("@")[0].lower()
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in local).strip("-")
    return name[:64] or "mailbox"


def preset_of(answers: Answers) -> Preset | None:
    """The provider that was given or detected."""
    return presets().get(answers.get("preset") or "")


def signs_in(answers: Answers) -> str:
    """The preset of the [oauth.NAME] table that the mailbox needs if its provider has no password logins, or ""."""
    preset = preset_of(answers)
    return preset.oauth if preset is not None and preset.tokens_only else ""


def by_password(answers: Answers) -> bool:
    """Is there a password, or an application instead of one?"""
    credential = answers.get("password_file") or answers.get("client_id")
    return bool(credential or from_environment(variable_of(("mailboxes", name_of(answers), "password"))))


def sends(answers: Answers) -> bool:
    """Is a server for outgoing mail known: given, detected, the provider's, or already in [outgoing]?"""
    offer: Offer | None = answers.get("offer")
    has_smtp = offer is not None and offer.server("smtp") is not None
    return bool(answers.get("smtp_host") or has_smtp or preset_of(answers) or answers.get("outgoing_there"))


def notes_reach_no_one(answers: Answers) -> bool:
    """Would customers not get agents' answers from anyone, without the answers saying so explicitly?"""
    return (answers.get("answers") or "never") == "never" and answers.get("redmine_users") is None


def draft_of(answers: Answers, file: Path, *, whole: bool) -> InitFile:
    """Given the answers, return the values and secrets to write: of a `whole` file, or of one more mailbox. What was
    not answered keeps its default.
    """
    secrets: dict[str, str] = {}

    def reference(kind: str, target: str) -> str | None:
        if answers.get(kind):
            secrets[target] = str(answers[kind])
            return f"secrets/{target}"
        secret_file: Path | None = answers.get(f"{kind}_file")
        return os.path.relpath(secret_file, file.parent) if secret_file is not None else None

    values: Values = {}
    if whole:
        values |= {
            ("redmine", "url"): answers["redmine_url"],
            ("redmine", "allow_cleartext"): answers.get("allow_cleartext") or None,
            ("redmine", "api_key_file"): reference("api_key", "redmine-api-key"),
            ("redmine", "gateway_user"): answers.get("gateway_user"),
            ("redmine", "gateway_password_file"): reference("gateway_password", "redmine-gateway"),
            ("redmine", "text_format"): answers["text_format"],
            ("redmine", "ca_file"): _path(answers.get("redmine_ca_file")),
            ("store", "url"): answers["store_url"],
            ("admin", "listen"): "127.0.0.1:8025",
        }
    name = name_of(answers)
    values |= _provider(answers) | _mailbox(answers, reference("password", name))
    values |= _answers(answers, reference("smtp_password", f"{name}-smtp"))
    return InitFile({path: value for path, value in values.items() if value is not None}, secrets)


def _path(file: str | Path | None) -> str | None:
    """Given a file as typed, or as an option names it from the current folder, return it as the settings name it."""
    return str(file.resolve()) if isinstance(file, Path) else file or None


def _mailbox(answers: Answers, password_file: str | None) -> Values:
    """The tables of the mailbox itself, and how its mail is handled."""
    box = ("mailboxes", name_of(answers))
    protocol = answers["protocol"] or "imap"
    values: Values = {
        (*box, "active"): True,
        (*box, "address"): answers["address"],
        (*box, "preset"): answers["preset"],
        (*box, "protocol"): protocol,
        (*box, "host"): answers["host"],
        (*box, "port"): answers["port"],
        (*box, "security"): answers["security"] or (None if answers["preset"] else "tls"),
        (*box, "allow_cleartext"): answers.get("allow_cleartext") or None,
        (*box, "ca_file"): _path(answers.get("ca_file")),
        (*box, "username"): answers["username"],
        (*box, "oauth"): (signs_in(answers) or None) if answers["client_id"] else None,
        (*box, "password_file"): password_file,
        (*box, "start_from"): answers.get("start_from"),
    }
    if protocol == "imap":
        values |= {
            (*box, "folders"): ["INBOX"],
            (*box, "success_folder"): "Processed",
            (*box, "failure_folder"): "Failed",
        }
    ids = answers.get("trusted_authserv_ids") or None
    return values | {
        (*box, "reading", "trusted_authserv_ids"): [ids] if ids else None,
        (*box, "issue", "project"): answers["project"],
        (*box, "issue", "tracker"): answers["tracker"] or None,
        (*box, "issue", "unknown_sender"): answers["unknown_sender"] or "accept",
    }


def _answers(answers: Answers, smtp_password_file: str | None) -> Values:
    """The tables for what is mailed to people, and its server."""
    box = ("mailboxes", name_of(answers))
    values: Values = {
        (*box, "answers", "received"): answers.get("received") or None,
        (*box, "answers", "notes"): answers["answers"] or "never",
        (*box, "answers", "redmine_users"): answers["redmine_users"],
        (*box, "outgoing", "host"): answers["smtp_host"],
        (*box, "outgoing", "port"): answers.get("smtp_port"),
        (*box, "outgoing", "security"): answers.get("smtp_security"),
        (*box, "outgoing", "allow_cleartext"): answers.get("smtp_allow_cleartext") or None,
        (*box, "outgoing", "username"): answers.get("smtp_username"),
        (*box, "outgoing", "password_file"): smtp_password_file,
        (*box, "outgoing", "ca_file"): _path(answers.get("smtp_ca_file")),
    }
    offer: Offer | None = answers.get("offer")
    if offer is not None and offer.preset is None and not answers["smtp_host"]:
        values |= {(*box, *path): value for path, value in offer.settings(answers["address"]).items() if len(path) > 1}
    return values


def _provider(answers: Answers) -> Values:
    """The table for signing in, if an application was given."""
    kind = signs_in(answers)
    if not answers["client_id"] or not kind or kind in answers.get("providers_there", ()):
        return {}
    return {("oauth", kind, "preset"): kind, ("oauth", kind, "client_id"): answers["client_id"]}
