"""What the sample file shows where a default would say nothing. Each must be a value that loads."""

from typing import Any, Final

from redmine_mailbridge.settings.schema import NAME

_BOX: Final = ("mailboxes", NAME)

# the names that stand for NAME in the sample, by the path to them
PLACEHOLDERS: Final[dict[tuple[str, ...], str]] = {
    _BOX: "support",
    (*_BOX, "senders", "domains", NAME): "customer.example.com",
}

# by path, by table and key, or by key alone; the longest wins
EXAMPLES: Final[dict[tuple[str, ...], Any]] = {
    ("redmine", "url"): "https://redmine.example.com",
    ("api_key",): "0123456789abcdef",
    ("api_key_file",): "secrets/redmine-api-key",
    ("marker_field",): "Message-ID",
    ("mail_from",): "redmine@example.com",
    ("authorize_as",): "shared@example.com",
    ("ca_file",): "/etc/ssl/certs/example.pem",
    ("store", "password"): "change me",
    ("store", "password_file"): "secrets/database",
    ("raw_dir",): "mails",
    ("cron",): "*/15 7-19 * * mon-fri",
    ("address",): "support@example.com",
    ("aliases",): ["help@example.com", "info@example.com"],
    ("preset",): "gmail",
    ("host",): "mail.example.com",
    ("transport",): "smtp",
    ("outgoing", "security"): "starttls",
    ("outgoing", "port"): 587,
    ("outgoing", "timeout"): "60s",
    ("from_address",): "support@example.com",
    ("from_name",): "Example support",
    ("reply_to",): "support@example.com",
    ("outgoing", "language"): "en",
    ("answers", "write_above"): "-- Please write above this line --",
    ("templates",): "templates",
    ("daily_limit",): 500,
    ("per_minute",): 30,
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
    ("version",): "1.0",
    ("parent",): 42,
    ("start_in",): "0s",
    ("due_in",): "3d",
    ("private",): True,
    ("custom_fields",): {"Customer": "{sender.domain}"},
    ("requester_field",): "Requester",
    ("priority_by_importance",): {"high": "Urgent", "low": "Low"},
    ("allow_override",): ["priority", "category"],
    ("reopen_status",): "In Progress",
    ("reopen_within",): "14d",
    ("ticket_user",): "mail",
    ("internal_domains",): ["example.com"],
    ("internal_mark",): "X-MS-Exchange-Organization-AuthAs: Internal",
    ("block",): ["spam.example.net", "*.example.org"],
    ("allow",): ["friend@spam.example.net"],
    ("customer_field",): "Customer",
    ("domains", NAME, "project"): "customer",
    ("domains", NAME, "tracker"): "Support",
    ("group",): "Customers",
    ("groups",): ["Customers"],
    ("create", "status"): "active",
    ("language",): "de",
    ("customer",): "Customer Ltd",
    ("rules", "#", "name"): "invoices",
    ("sender",): "billing@example.com",
    ("recipient",): "invoices@example.com",
    ("header",): {"X-Shop": "/order (?P<order>[0-9]+)/"},
    ("subject",): "invoice",
    ("text",): "/order (?P<order>[0-9]+)/",
    ("larger_than",): "10KB",
    ("smaller_than",): "20MB",
    ("has_attachment",): True,
    ("action",): "hold",
    ("rules", "#", "project"): "accounting",
    ("watchers",): ["jsmith"],
    ("admin", "listen"): "127.0.0.1:8025",
    ("admin", "url"): "https://desk.example.com/mailbridge",
    ("admin", "proxies"): ["127.0.0.1"],
    ("certificate_file",): "/etc/ssl/private/desk.pem",
    ("certificate_key_file",): "/etc/ssl/private/desk.key",
    ("password_hash_file",): "secrets/admin-password",
    ("alert_to",): ["admin@example.com"],
}

# what a first set-up needs; everything else stands behind a #
LIVE: Final = frozenset(
    {
        ("redmine", "url"),
        ("redmine", "api_key_file"),
        ("redmine", "text_format"),
        ("store", "url"),
        ("admin", "listen"),
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
