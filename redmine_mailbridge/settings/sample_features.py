"""The second half of settings.example.toml: a block of settings per feature. Each loads beside the first half."""

from typing import Final

FEATURES: Final[tuple[tuple[str, str], ...]] = (
    (
        "Several mailboxes: what they share is written once.",
        """
[mailbox_defaults]
host = "mail.example.com"
reading.trusted_authserv_ids = ["mail.example.com"]
answers.notes = "public_notes"

[mailboxes.sales]
address = "sales@example.com"
aliases = ["offers@example.com"]
password_file = "secrets/sales"
issue.project = "sales"
""",
    ),
    (
        "A mail provider: servers, ports and security come from a preset. `discover --list` lists the presets.",
        """
[mailboxes.office]
address = "office@gmail.com"
preset = "gmail"
password_file = "secrets/office"
issue.project = "office"
""",
    ),
    (
        "POP3: processed mail is deleted, or stays on the server for some days.",
        """
[mailboxes.orders]
address = "orders@example.com"
protocol = "pop3"
host = "mail.example.com"
password_file = "secrets/orders"
after_success = "keep"
keep_days = 14
issue.project = "sales"
""",
    ),
    (
        "A mailbox whose mail Postfix, Exim, procmail and the like hand to `redmine-mailbridge deliver`.",
        """
[mailboxes.piped]
address = "piped@example.com"
protocol = "deliver"
spool_dir = "/var/spool/redmine-mailbridge"
issue.project = "support"
""",
    ),
    (
        'OAuth instead of a password; sign in with `oauth login help`. protocol = "graph" uses Microsoft Graph.',
        """
[oauth.microsoft]
preset = "microsoft365"
tenant = "example.com"
client_id = "00000000-0000-0000-0000-000000000000"

[mailboxes.help]
address = "help@example.com"
preset = "microsoft365"
oauth = "microsoft"
issue.project = "support"
""",
    ),
    (
        "Outgoing mail: one server for all mailboxes, or one per mailbox ([mailboxes.NAME.outgoing]).",
        """
[outgoing]
host = "smtp.example.com"
security = "starttls"
from_name = "{agent} via Example support"
language = "en"
time_zone = "Europe/Berlin"
templates = "templates"
daily_limit = 500
per_minute = 30
""",
    ),
    (
        "Replies: agents' notes, acknowledgements and the closing of an issue go to the customer by mail.",
        """
[mailboxes.support.answers]
notes = "public_notes"
redmine_users = "mail"
received = true
received_reply = false
closed = true
inline_pictures = true
max_picture_width = 1200
command_roles = ["Support"]
third_parties = true
reply_marker_line = "-- Please write above this line --"
""",
    ),
    (
        "Agents see in the issue when the last note was sent, and that mail was returned.",
        """
[mailboxes.support.issue]
last_answer_field = "Last answer"
bounce_status = "Undeliverable"

[mailboxes.support.answers]
report = "field"
""",
    ),
    (
        "Conversations begin in Redmine, for example with a telephone call: the requester field says whom to answer.",
        """
[mailboxes.support.issue]
requester_field = "Requester"
conversations_from_redmine = true
""",
    ),
    (
        "Agents may answer customers by mail, for example by replying to a notification of Redmine.",
        """
[mailboxes.support.issue]
agent_replies = "mail"
""",
    ),
    (
        "Fields of new issues, and what a reply does to a closed or waiting issue.",
        """
[mailboxes.support.issue]
category = "Mail"
priority_by_importance = { high = "Urgent", low = "Low" }
assignee = "round-robin: Help desk"
due_in = "3d"
custom_fields = { Customer = "{sender.domain}" }
closed_reply = "reopen"
reopen_within = "14d"
reply_status = { Waiting = "In Progress" }
""",
    ),
    (
        "Unknown senders: create a Redmine user for each; one domain per customer.",
        """
[mailboxes.support.issue]
unknown_sender = "create"

[mailboxes.support.senders]
block = ["spam.example.net", "*.example.org"]
allow = ["friend@spam.example.net"]
customer_field = "Customer"

[mailboxes.support.senders.create]
status = "active"
groups = ["Customers"]
notice = "own"

[mailboxes.support.senders.domains."customer.example.com"]
project = "customer"
group = "Customers"
customer = "Customer Ltd"
""",
    ),
    (
        "Keyword lines: proven users may set fields by lines such as `Priority: High`, in these languages.",
        """
[redmine]
keyword_languages = ["de", "fr"]

[mailboxes.support.issue]
allow_override = ["priority", "category"]
keywords_from = "users"
""",
    ),
    (
        "Rules for incoming mail: the first one that matches decides.",
        """
[[mailboxes.support.rules]]
name = "invoices"
subject = "invoice"
has_attachment = true
project = "accounting"
watchers = ["jsmith"]

[[mailboxes.support.rules]]
name = "newsletters"
header = { List-Id = "newsletter" }
action = "ignore"
""",
    ),
    (
        "How mail is read: lines that end the text, files that are left out.",
        """
[mailboxes.support.reading]
delimiters = ["-- Please answer above this line --", "/^Ticket #\\\\d+$/"]
excluded_names = ["*.vcf", "/^smime\\\\.p7[ms]$/"]
skip_signature_logos = true
""",
    ),
    (
        "Time-based rules and business hours: remind, close and escalate.",
        """
[[rules]]
name = "remind"
when = { waiting_for = "customer", agent_silent = "3d" }
then = { mail = "reminder", note = "Reminded: {reason}.", private_note = true }

[[rules]]
name = "escalate"
when = { no_answer = "4 business hours", priorities = ["High", "Urgent"] }
then = { priority = "Immediate", mail = "escalation", mail_to = ["lead@example.com"] }

[calendars.office]
time_zone = "Europe/Berlin"
hours = { mon = "09:00-17:00", tue = "09:00-17:00", wed = "09:00-17:00", thu = "09:00-17:00", fri = "09:00-14:00" }
""",
    ),
    (
        "Hours and budgets: computed by the task aggregate, shown by `report`.",
        """
[aggregate]
time_zone = "Europe/Berlin"
issue_fields = { hours = "Spent hours", first_answer = "Time to first answer" }

[[budgets]]
name = "Example Ltd"
customer = "customer.example.com"
hours = 20
carry_over = "unused"
start = 2026-01-01
warn = ["accounts@example.com"]
""",
    ),
    (
        "When the three tasks run.",
        """
[tasks.receive]
every = "5m"

[tasks.update]
cron = "*/15 7-19 * * mon-fri"
time_zone = "Europe/Berlin"

[tasks.aggregate]
every = "1h"
""",
    ),
    (
        "The admin page behind a reverse proxy, alerts by mail, metrics for Prometheus.",
        """
[admin]
listen = "127.0.0.1:8025"
url = "https://desk.example.com/mailbridge"
proxies = ["127.0.0.1"]
password_hash_file = "secrets/admin-password"
alert_to = ["admin@example.com"]
alert_after = "30m"
metrics_token_file = "secrets/metrics-token"
""",
    ),
    (
        "Redmine: a custom field for the Message-ID, its own sender address, a gateway that asks for a login.",
        """
[redmine]
marker_field = "Message-ID"
mail_from = "redmine@example.com"
gateway_user = "mailbridge"
gateway_password_file = "secrets/gateway"
""",
    ),
    (
        "PostgreSQL instead of SQLite; where raw messages are stored, and how long.",
        """
[store]
url = "postgresql+psycopg://mailbridge@db.example.com/mailbridge"
password_file = "secrets/database"
raw_storage = "database"
raw_retention = "90d"
""",
    ),
    (
        "Limits and log.",
        """
[receive]
max_mail_size = "50MB"
max_attempts = 10

[log]
format = "json"
level = "info"
""",
    ),
)
