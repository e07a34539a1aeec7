"""Rules that look at a mail and say where it goes: `[[mailboxes.NAME.rules]]`."""

from typing import Annotated, Literal

from pydantic import Field

from redmine_mailbridge.settings.base import Table, key
from redmine_mailbridge.settings.patterns import PatternText, SenderPattern
from redmine_mailbridge.settings.value_types import Name, Size, Span


class Rule(Table):
    """One rule. It matches when each condition that it names holds; without conditions it matches every mail.

    A pattern is text that must occur, in any case, or "/expression/"; its named groups, (?P<order>…), can be used
    in custom_fields as {match.order}.
    """

    name: Name = key("The rule's name, as `explain` and the log show it.")
    sender: SenderPattern | None = key("Who wrote; written as in senders.block.", None)
    recipient: SenderPattern | None = key("To whom, Cc and Delivered-To included; an address or a domain.", None)
    header: dict[Name, PatternText] = key("Header fields and the pattern of each.", {})
    subject: PatternText | None = key("A pattern of the subject.", None)
    text: PatternText | None = key("A pattern of the text.", None)
    larger_than: Size | None = key("The mail is larger than this.", None)
    smaller_than: Size | None = key("The mail is smaller than this.", None)
    has_attachment: bool | None = key("Whether files hang on it.", None)

    action: Literal["ignore", "refuse", "hold"] | None = key("Make no issue of it, but this.", None)
    project: Name | None = key("The project.", None)
    tracker: Name | None = key("The tracker.", None)
    category: Name | None = key("The category.", None)
    priority: Name | None = key("The priority.", None)
    status: Name | None = key("The status.", None)
    assignee: Name | None = key('Who gets it; "round-robin: GROUP" works too.', None)
    version: Name | None = key("The target version.", None)
    parent: Annotated[int, Field(ge=1)] | None = key("The number of the issue under which it stands.", None)
    private: bool | None = key("Whether it is private.", None)
    start_in: Span | None = key("When it starts, counted from the mail's day.", None)
    due_in: Span | None = key("When it is due, counted from the mail's day.", None)
    custom_fields: dict[Name, str] = key("Custom fields by name, as in issue.custom_fields.", {})
    watchers: tuple[Name, ...] = key("Logins or addresses of users that watch it.", ())
