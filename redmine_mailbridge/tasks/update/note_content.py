"""The content of an agent's note for a mail: HTML and text, its pictures in place, its other files attached.

Only files of the note itself are sent: a picture that it names is never looked for among the issue's other files, which
may have come with a private note.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import structlog

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.outgoing.message import OutgoingFile
from redmine_mailbridge.outgoing.personal_names import as_written
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.size_limits import CUT_MARK
from redmine_mailbridge.redmine.users import Users
from redmine_mailbridge.settings.value_types import format_size
from redmine_mailbridge.tasks.update.note_filter import AgentNote, NoteMailPolicy
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from redmine_mailbridge.outgoing.rendering import note as rendering
    from redmine_mailbridge.outgoing.rendering import pictures
else:  # a pass in which no agent has written needs none of it
    rendering = lazy_import("redmine_mailbridge.outgoing.rendering.note")
    pictures = lazy_import("redmine_mailbridge.outgoing.rendering.pictures")

log = structlog.get_logger(__name__)

LARGEST_PICTURE = 30_000_000
"""Bytes of a picture's file that is downloaded to be scaled."""
MOST_NAMES = 50
"""Users whom a note mentions that are looked up in Redmine; the others stay as they are written."""
MOST_PICTURES = 30
"""Pictures of a note that are shown in place; others are attached."""
MOST_MISFITS = 3
"""Pictures of a note that are downloaded and do not fit even scaled; after them, none that is larger than what is left
of the limit is downloaded.
"""
LARGEST_TEXT = 10_000_000
"""Bytes of the file with the whole text of a reply by mail that is cut in its note: text, not a file of the note."""
TYPE = "application/octet-stream"
_TEXT_FILE = re.compile(r"mail-text(?:-[0-9]{1,6})?\.txt")


@dataclass(slots=True)
class NoteContent:
    """A note as it goes into a mail. `left_out` names files for the customer, `problems` are for operators."""

    html: str = ""
    text: str = ""
    files: list[OutgoingFile] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class NoteContentComposer:
    """Renders notes and fetches their files. Raises RedmineUnavailable."""

    def __init__(self, client: Client, people: Users, text_format: TextFormat) -> None:
        self._client = client
        self._people = people
        self._text_format = text_format

    def compose(self, note: AgentNote, policy: NoteMailPolicy, redmine_url: str) -> NoteContent:
        """Given a note, return its content: pictures and files together within the limit of the settings."""
        content, room = NoteContent(), policy.max_attachments
        keys = self._pictures(note, policy, redmine_url, content)
        shown: dict[str, rendering.ShownPicture] = {}
        misfits = 0
        for attachment in note.files:
            names = [key for key, number in keys.items() if number == _number(attachment)]
            may_scale = bool(names) and misfits < MOST_MISFITS
            whole_text = _is_whole_text(note.text, attachment)
            most = LARGEST_PICTURE if may_scale else LARGEST_TEXT if whole_text else room
            data = self._download(attachment, most, content)
            if data is None:
                continue
            picture = self._scaled(attachment, data, policy, content) if names else None
            if picture is not None:
                file = OutgoingFile(
                    _picture_name(attachment, picture), picture.content_type, picture.content, picture.shown.content_id,
                    attachment=_number(attachment),
                )  # fmt: skip
            else:
                content_type = str(attachment.get("content_type") or TYPE)
                file = OutgoingFile(_name(attachment), content_type, data, attachment=_number(attachment))
            if whole_text:
                content.files.append(file)
                continue
            if len(file.content) > room:
                misfits += picture is not None
                content.left_out.append(f"{_name(attachment)} ({format_size(len(file.content))})")
                continue
            if picture is not None:
                shown |= dict.fromkeys(names, picture.shown)
            if file not in content.files and not _is_there(file, content):
                room -= len(file.content)
                content.files.append(file)
        context = rendering.NoteContext(redmine_url, user_names(self._people), shown)
        rendered = rendering.render(note.text, self._text_format, context)
        content.html, content.text = rendered.html, rendered.text
        return content

    def _pictures(
        self, note: AgentNote, policy: NoteMailPolicy, redmine_url: str, content: NoteContent
    ) -> Mapping[str, int]:
        """The pictures that the note shows, by key, each with the number of its attachment: of several files of one
        name the newest, as Redmine does it.
        """
        if not policy.inline_pictures or not policy.max_attachments:
            return {}
        by_age = sorted(note.files, key=_number)
        files = {rendering.picture_key(_name(attachment)): _number(attachment) for attachment in by_age}
        files |= {f"#{_number(attachment)}": _number(attachment) for attachment in by_age}
        named = rendering.pictures_of(note.text, self._text_format, redmine_url)
        content.problems += [f"picture {key}: not a file of this note" for key in named if key not in files]
        return {key: files[key] for key in named[:MOST_PICTURES] if key in files}

    def _download(self, attachment: Mapping[str, Any], most: int, content: NoteContent) -> bytes | None:
        """The bytes of a file; None, with a line for the customer, if it is too large or Redmine does not return it."""
        size = int(attachment.get("filesize") or 0)
        if size > most:
            content.left_out.append(f"{_name(attachment)} ({format_size(size)})")
            return None
        try:
            return self._client.download(_number(attachment), _name(attachment), most)
        except RedmineRefused as error:
            content.left_out.append(_name(attachment))
            content.problems.append(f"file {_name(attachment)}: {error}")
            return None

    def _scaled(
        self, attachment: Mapping[str, Any], data: bytes, policy: NoteMailPolicy, content: NoteContent
    ) -> "pictures.ScaledPicture | None":
        """The picture to show in place; None, with a line for operators, if the file is to be attached as it is."""
        try:
            return pictures.scaled(data, policy.max_picture_width)
        except pictures.PictureUnusable as error:
            content.problems.append(f"picture {_name(attachment)}: attached only, {error}")
            return None


def _is_whole_text(note: str, attachment: Mapping[str, Any]) -> bool:
    """Given a note and one of its files, return whether the note is a part of a message whose whole text is in the
    file: that is sent whatever the limit of files is.
    """
    return CUT_MARK.strip() in note and _TEXT_FILE.fullmatch(_name(attachment)) is not None


def user_names(people: Users) -> Callable[[str], str]:
    """Given Redmine's users, return what names those that a note mentions, each looked up once: it is given "#5" or a
    login, and returns "" for any other.
    """
    known: dict[str, str] = {}

    def name_of(user: str) -> str:
        if user not in known and len(known) < MOST_NAMES:
            known[user] = _name_of(user, people)
        return known.get(user, "")

    return name_of


def _name_of(user: str, people: Users) -> str:
    if user.startswith("#"):
        person = people.by_id(int(user[1:]))
        return as_written(person.user.name) if person is not None else ""
    account = people.by_login(user)
    return as_written(account.name) if account is not None else ""


def _is_there(file: OutgoingFile, content: NoteContent) -> bool:
    """Is the same picture in the mail, under another name perhaps? A Content-ID names one part."""
    return bool(file.content_id) and any(other.content_id == file.content_id for other in content.files)


def _number(attachment: Mapping[str, Any]) -> int:
    return int(attachment["id"])


def _name(attachment: Mapping[str, Any]) -> str:
    return str(attachment.get("filename") or "file")


def _picture_name(attachment: Mapping[str, Any], picture: "pictures.ScaledPicture") -> str:
    """The name of a picture, with the suffix of what it has become."""
    name = _name(attachment)
    if picture.content_type == "image/png" and not name.lower().endswith(".png"):
        return f"{PurePath(name).stem or 'picture'}.png"
    return name
