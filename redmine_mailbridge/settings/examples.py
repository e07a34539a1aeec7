"""What the sample file shows where a default would say nothing. Each must be a value that loads."""

from typing import Any, Final

from redmine_mailbridge.settings.schema import NAME

_BOX: Final = ("mailboxes", NAME)

# the names that stand for NAME in the sample, by the path to them
PLACEHOLDERS: Final[dict[tuple[str, ...], str]] = {_BOX: "support"}

# by path, by table and key, or by key alone; the longest wins
EXAMPLES: Final[dict[tuple[str, ...], Any]] = {
    ("redmine", "url"): "https://redmine.example.com",
    ("api_key",): "0123456789abcdef",
    ("api_key_file",): "secrets/redmine-api-key",
    ("marker_field",): "Message-ID",
    ("ca_file",): "/etc/ssl/certs/example.pem",
    ("store", "password"): "change me",
    ("store", "password_file"): "secrets/database",
    ("raw_dir",): "mails",
    ("cron",): "*/15 7-19 * * mon-fri",
    ("address",): "support@example.com",
    ("aliases",): ["help@example.com", "info@example.com"],
    ("host",): "mail.example.com",
    ("username",): "support@example.com",
    ("password",): "change me",
    ("password_file",): "secrets/support",
    ("delimiters",): ["-- Please answer above this line --", "/^Ticket #\\d+$/"],
    ("excluded_names",): ["*.vcf", "/^smime\\.p7[ms]$/"],
    ("trusted_authserv_ids",): ["mail.example.com"],
    ("issue", "project"): "support",
    ("tracker",): "Support",
    ("category",): "Mail",
    ("priority",): "Normal",
    ("status",): "New",
    ("assignee",): "Help desk",
}

# what a first set-up needs; everything else stands behind a #
LIVE: Final = frozenset(
    {
        ("redmine", "url"),
        ("redmine", "api_key_file"),
        ("redmine", "text_format"),
        ("store", "url"),
        *(
            (*_BOX, name)
            for name in (
                "active",
                "address",
                "protocol",
                "host",
                "port",
                "security",
                "username",
                "password_file",
                "folders",
                "success_folder",
                "failure_folder",
            )
        ),
        (*_BOX, "issue", "project"),
        (*_BOX, "issue", "tracker"),
        (*_BOX, "issue", "unknown_sender"),
    }
)
