"""Requests to Redmine as values that are stored before they are sent, and how a plan becomes one.

Pure. A stored request is sent again unchanged, with the same upload tokens: a token is valid once,
so its rejection shows that an earlier try was executed.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from redmine_mailbridge.model.facts import Project
from redmine_mailbridge.model.plan import IssueFields, Plan
from redmine_mailbridge.redmine.text_cleaning import clean, clean_line, clean_markup
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.fields import fields_of

NO_SUBJECT = "(no subject)"
NO_TEXT = "(no text)"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file uploaded to Redmine, not yet attached to an issue. `token` is valid for one write."""

    token: str
    filename: str
    content_type: str

    @property
    def id(self) -> int:
        """The file's id: the part of its token before the point; 0 if there is none."""
        number = self.token.partition(".")[0]
        return int(number) if number.isdecimal() else 0

    def to_api(self) -> dict[str, str]:
        """The entry under "uploads"."""
        return {"token": self.token, "filename": self.filename, "content_type": self.content_type}


@dataclass(frozen=True, slots=True)
class IssueRequest:
    """A new issue. `attributes` are in the API's form, without the uploads.

    `as_login` is its author (None: the key's own user); `author_id` is that user's id, if known; `own_id` is the key's
    own user at creation, since the key may be another user's by the time of recovery. `marker` is the custom field, and
    its value, that identifies the issue in recovery, if one is configured.
    """

    project_id: int
    attributes: Mapping[str, Any]
    as_login: str | None = None
    author_id: int | None = None
    marker: tuple[int, str] | None = None
    uploads: tuple[Upload, ...] = ()
    own_id: int | None = None

    @property
    def upload_ids(self) -> frozenset[int]:
        """The ids of the files in Redmine."""
        return frozenset(upload.id for upload in self.uploads)

    def body(self) -> dict[str, Any]:
        """The JSON to send."""
        return {"issue": {**self.attributes, **_uploads(self.uploads)}}

    def with_uploads(self, *uploads: Upload) -> "IssueRequest":
        """The same request with these files added."""
        return replace(self, uploads=self.uploads + uploads)

    def to_json(self) -> str:
        """The JSON form for the store."""
        return json.dumps(fields_of(self), sort_keys=True, default=fields_of)

    @classmethod
    def from_json(cls, text: str) -> "IssueRequest":
        """Given the result of `to_json`, return the request."""
        values = json.loads(text)
        marker = values["marker"]
        return cls(
            project_id=values["project_id"],
            attributes=values["attributes"],
            as_login=values["as_login"],
            author_id=values["author_id"],
            marker=(int(marker[0]), str(marker[1])) if marker else None,
            uploads=tuple(Upload(**u) for u in values["uploads"]),
            own_id=values.get("own_id"),
        )


@dataclass(frozen=True, slots=True)
class NoteRequest:
    """A note on an issue, with the attributes that it changes. `attributes` contain `notes` and `private_notes` too;
    the other fields are as in an `IssueRequest`.
    """

    issue: int
    project_id: int
    attributes: Mapping[str, Any]
    as_login: str | None = None
    author_id: int | None = None
    uploads: tuple[Upload, ...] = ()
    own_id: int | None = None

    @property
    def notes(self) -> str:
        """The text."""
        return str(self.attributes.get("notes", ""))

    @property
    def private(self) -> bool:
        """Is it private?"""
        return bool(self.attributes.get("private_notes", False))

    @property
    def upload_ids(self) -> frozenset[int]:
        """The ids of the files in Redmine."""
        return frozenset(upload.id for upload in self.uploads)

    def body(self) -> dict[str, Any]:
        """The JSON to send."""
        return {"issue": {**self.attributes, **_uploads(self.uploads)}}

    def with_uploads(self, *uploads: Upload) -> "NoteRequest":
        """The same request with these files added."""
        return replace(self, uploads=self.uploads + uploads)

    def to_json(self) -> str:
        """The JSON form for the store."""
        return json.dumps(fields_of(self), sort_keys=True, default=fields_of)

    @classmethod
    def from_json(cls, text: str) -> "NoteRequest":
        """Given the result of `to_json`, return the request."""
        values = json.loads(text)
        return cls(
            issue=values["issue"],
            project_id=values["project_id"],
            attributes=values["attributes"],
            as_login=values["as_login"],
            author_id=values["author_id"],
            uploads=tuple(Upload(**u) for u in values["uploads"]),
            own_id=values.get("own_id"),
        )


def issue_request(
    plan: Plan, project: Project, uploads: tuple[Upload, ...] = (), *,
    author_id: int | None = None, marker_field: int | None = None, own_id: int | None = None,
) -> IssueRequest:  # fmt: skip
    """Given a plan that creates an issue, its project and the uploaded files, return the request.

    `author_id`: the user behind `plan.act_as`. `marker_field`: the custom field for `plan.marker`. `own_id`: the
    key's own user.
    """
    attributes = {"project_id": project.id, **_attributes(plan.fields)}
    attributes["subject"] = clean_line(plan.fields.subject or "") or NO_SUBJECT
    attributes["description"] = clean_markup(plan.text)
    marker = None
    if marker_field is not None and plan.marker:
        marker = (marker_field, clean_line(plan.marker))
        others = [field for field in attributes.get("custom_fields", []) if field["id"] != marker_field]
        attributes["custom_fields"] = [*others, {"id": marker_field, "value": marker[1]}]
    return IssueRequest(project.id, attributes, plan.act_as, author_id, marker, uploads, own_id)


def note_request(
    plan: Plan, project: Project, uploads: tuple[Upload, ...] = (), *,
    author_id: int | None = None, own_id: int | None = None,
) -> NoteRequest:  # fmt: skip
    """Given a plan that adds a note, the project of its issue and the uploaded files, return the request."""
    if plan.issue is None:
        raise ValueError("a plan without an issue cannot add a note")
    attributes = {**_attributes(plan.fields), "notes": clean_markup(plan.text)}
    if plan.fields.subject is not None:
        attributes["subject"] = clean_line(plan.fields.subject) or NO_SUBJECT
    if plan.private_note:
        attributes["private_notes"] = True
    return NoteRequest(plan.issue, project.id, attributes, plan.act_as, author_id, uploads, own_id)


def _uploads(uploads: tuple[Upload, ...]) -> dict[str, Any]:
    return {"uploads": [upload.to_api() for upload in uploads]} if uploads else {}


def _attributes(fields: IssueFields) -> dict[str, Any]:
    """Given the fields of a plan, return those that are set, in the API's form; texts are cleaned."""
    plain = (
        "tracker_id", "status_id", "priority_id", "category_id", "assigned_to_id", "fixed_version_id",
        "parent_issue_id", "is_private", "estimated_hours", "done_ratio",
    )  # fmt: skip
    attributes = {name: value for name in plain if (value := getattr(fields, name)) is not None}
    for name in ("start_date", "due_date"):
        if (day := getattr(fields, name)) is not None:
            attributes[name] = day.isoformat()
    if fields.custom_fields:
        attributes["custom_fields"] = [
            {"id": i, "value": clean(value) if isinstance(value, str) else [clean(v) for v in value]}
            for i, value in fields.custom_fields
        ]
    return attributes
