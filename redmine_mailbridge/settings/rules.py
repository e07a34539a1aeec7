"""Rules that match messages and set the project and fields of new issues: `[[mailboxes.NAME.rules]]`."""

from typing import Annotated, Literal

from pydantic import Field

from redmine_mailbridge.settings.base import SettingsTable, setting
from redmine_mailbridge.settings.patterns import PatternText, SenderPattern
from redmine_mailbridge.settings.value_types import Name, Size, Span


class Rule(SettingsTable):
    """One rule. It matches if all its conditions hold; without conditions it matches every message.

    A pattern is text that must occur, in any case, or "/expression/"; its named groups, (?P<order>…), are available
    in custom_fields as {match.order}.
    """

    name: Name = setting("The rule's name, shown by `explain` and in the log.")
    sender: SenderPattern | None = setting("The sender, in the syntax of senders.block.", None)
    recipient: SenderPattern | None = setting("A recipient (To, Cc or Delivered-To): an address or a domain.", None)
    header: dict[Name, PatternText] = setting("Header fields and a pattern for each.", {})
    subject: PatternText | None = setting("A pattern for the subject.", None)
    text: PatternText | None = setting("A pattern for the text.", None)
    larger_than: Size | None = setting("The message is larger than this.", None)
    smaller_than: Size | None = setting("The message is smaller than this.", None)
    has_attachment: bool | None = setting("Whether it has attachments.", None)

    action: Literal["ignore", "refuse", "hold"] | None = setting("Create no issue; do this instead.", None)
    project: Name | None = setting("The project.", None)
    tracker: Name | None = setting("The tracker.", None)
    category: Name | None = setting("The category.", None)
    priority: Name | None = setting("The priority.", None)
    status: Name | None = setting("The status.", None)
    assignee: Name | None = setting('The assignee; "round-robin: GROUP" is allowed.', None)
    version: Name | None = setting("The target version.", None)
    parent: Annotated[int, Field(ge=1)] | None = setting("The number of the parent issue.", None)
    private: bool | None = setting("Whether the issue is private.", None)
    start_in: Span | None = setting("The start date, counted from the day of the message.", None)
    due_in: Span | None = setting("The due date, counted from the day of the message.", None)
    custom_fields: dict[Name, str] = setting("Custom fields by name, as in issue.custom_fields.", {})
    watchers: tuple[Name, ...] = setting("Logins or addresses of watchers.", ())
