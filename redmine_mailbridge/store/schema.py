"""The tables. Times are seconds since the epoch, UTC; the same statements run on SQLite and PostgreSQL.

Changing anything here needs a migration in `migrations/versions/` and a new HEAD; a test compares the two.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
)

HEAD = "0082"

metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")

mail = Table(
    "mail",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    # where it lies
    Column("mailbox", Text, nullable=False),
    Column("folder", Text, nullable=False),
    Column("validity", Text, nullable=False),
    Column("uid", Text, nullable=False),
    # its bytes
    Column("size", BigInteger, nullable=False),
    Column("raw", Text),
    Column("digest", Text),  # stays when the bytes are forgotten
    Column("truncated", Boolean, nullable=False, default=False),
    Column("first_sync", Boolean, nullable=False, default=False),
    Column("received_at", Double),
    Column("kept_at", Double, nullable=False),
    # what it says of itself
    Column("message_id", Text),
    Column("content_key", Text),
    Column("proof", Integer),  # how far its sender is proven; see copies.py
    Column("sender", Text),
    Column("subject", Text),
    # where it stands
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("next_try_at", Double, nullable=False, default=0.0),
    Column("accepted", Boolean, nullable=False, default=False),
    Column("let_through", Boolean, nullable=False, default=False, server_default=false()),
    Column("wish", Text),
    Column("reason", Text),
    Column("changed_at", Double, nullable=False),
    # the intent: what is (perhaps) being written to Redmine
    Column("request", Text),
    Column("first_sent_at", Double),
    Column("last_sent_at", Double),
    # what was made
    Column("issue", Integer),
    Column("created_issue", Integer, unique=True),
    Column("journal", Integer, unique=True),
    # filing
    Column("filed_at", Double),
    Column("filed_to", Text),
    Column("file_tries", Integer, nullable=False, default=0),
    Column("next_file_at", Double, nullable=False, default=0.0),
    UniqueConstraint("mailbox", "folder", "validity", "uid", name="uq_mail_location"),
    Index("ix_mail_message_id", "message_id"),
    Index("ix_mail_open", "mailbox", "state", "next_try_at"),
    Index("ix_mail_unfiled", "mailbox", "filed_at", "next_file_at", "state"),
    Index("ix_mail_issue", "issue"),
    Index("ix_mail_raw", "raw"),
    Index("ix_mail_state", "state", "issue", "mailbox"),
    Index("ix_mail_kept", "mailbox", "kept_at", "state", "issue"),
)

step = Table(
    "step",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("mail_id", _Id, ForeignKey("mail.id", ondelete="CASCADE"), nullable=False),
    Column("at", Double, nullable=False),
    Column("line", Text, nullable=False),
    Index("ix_step_mail", "mail_id"),
)

# the one mail that speaks for each content: a second copy is a duplicate, wherever it lies
content = Table(
    "content",
    metadata,
    Column("key", Text, primary_key=True),
    Column("mail_id", _Id, ForeignKey("mail.id", ondelete="CASCADE"), nullable=False),
)

# who took part in an issue by mail
participant = Table(
    "participant",
    metadata,
    Column("issue", Integer, primary_key=True),
    Column("address", Text, primary_key=True),
)

# how far each folder has been read
folder = Table(
    "folder",
    metadata,
    Column("mailbox", Text, primary_key=True),
    Column("folder", Text, primary_key=True),
    Column("validity", Text, nullable=False),
    Column("uid", Text),
    Column("first_until", Text),
    Column("since", Double, nullable=False),
    Column("taken_from", Double),  # mails received before are left lying; NULL: never noted
)

# which account stood behind a mailbox's name last, and how often that account has moved
account = Table(
    "account",
    metadata,
    Column("mailbox", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("moves", Integer, nullable=False, default=0),
)

# mails that lay in a folder when it was first read, that the settings do not take, and that no cursor leaves behind;
# the row without a UID says that they are all noted
left_lying = Table(
    "left_lying",
    metadata,
    Column("mailbox", Text, primary_key=True),
    Column("folder", Text, primary_key=True),
    Column("uid", Text, primary_key=True),
)

# mailboxes that are paused since their settings do not fit Redmine: the mail that found it out, and what does not fit
mailbox_pause = Table(
    "mailbox_pause",
    metadata,
    Column("mailbox", Text, primary_key=True),
    Column("mail_id", _Id, ForeignKey("mail.id", ondelete="CASCADE"), nullable=False),
    Column("since", Double, nullable=False),
    Column("lines", Text, nullable=False),  # JSON
    Column("looks", Integer, nullable=False),
)

# mails that go out; the row of an answer is made in the transaction that ends the mail it answers
outbox = Table(
    "outbox",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("mail_id", _Id, ForeignKey("mail.id", ondelete="CASCADE")),
    Column("mailbox", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("issue", Integer),
    Column("message_id", Text, nullable=False),
    Column("content_hash", Text),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False, default=0),
    Column("next_try_at", Double, nullable=False, default=0.0),
    Column("created_at", Double, nullable=False),
    Column("offered_at", Double),
    Column("sent_at", Double),
    Column("reason", Text),
    Column("told", Boolean, nullable=False, default=False, server_default=false()),
    UniqueConstraint("message_id", "recipient", name="uq_outbox_mail"),
    Index("ix_outbox_due", "state", "next_try_at"),
    Index("ix_outbox_recipient", "recipient", "created_at"),
    Index("ix_outbox_issue", "issue", "created_at"),
    Index("ix_outbox_created", "created_at"),
    Index("ix_outbox_content", "content_hash"),
)

# the bytes of mails that go out, once for all whom a mail goes to
outgoing_content = Table(
    "outgoing_content",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

# what the agents of an issue are to be told, each once, by a private note
notice = Table(
    "notice",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("issue", Integer, nullable=False),
    Column("key", Text, nullable=False),
    Column("mail_id", _Id, ForeignKey("mail.id", ondelete="SET NULL")),
    Column("text", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("told_at", Double),
    UniqueConstraint("issue", "key", name="uq_notice_once"),
    Index("ix_notice_told", "told_at"),
)

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
