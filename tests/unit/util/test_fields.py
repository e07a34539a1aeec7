"""Fields of plain values."""

import json
from dataclasses import asdict

from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest, Upload
from redmine_mailbridge.util.fields import fields_of


def test_fields_are_by_name_and_not_copied() -> None:
    """The values themselves are in the row, in the order of the class."""
    given = {"subject": "s", "custom_fields": [{"id": 1, "value": "ä"}]}
    request = IssueRequest(7, given, "anna", 3, (4, "<1@example.org>"), (Upload("5.x", "a.txt", "text/plain"),))
    fields = fields_of(request)
    assert asdict(request).keys() == fields.keys()
    assert given is fields["attributes"]


def test_a_request_is_stored_as_ever() -> None:
    """The stored text of a request, its files within it, is that of all versions before, and is read again."""
    files = (Upload("5.x", "a.txt", "text/plain"), Upload("6.y", "ö.pdf", "application/pdf"))
    issue = IssueRequest(7, {"subject": "s", "custom_fields": [{"id": 1, "value": "ä"}]}, uploads=files)
    note = NoteRequest(8, 7, {"notes": "n"}, "anna", 3, files, 1)
    for request in (issue, note):
        assert json.dumps(asdict(request), sort_keys=True) == request.to_json()
        assert request == type(request).from_json(request.to_json())
