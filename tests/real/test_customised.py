"""Redmine as teams have it (tests/servers/customised.rb): customised projects, plain keys, strict settings."""

import pytest
import requests

from tests.servers.fixtures import Redmine

pytestmark = [pytest.mark.real, pytest.mark.customised]


def test_what_the_redmine_of_these_tests_is(redmine: Redmine) -> None:
    """It has customised projects, keys of four roles, many members and projects, and asks for a login."""
    customised = redmine.seed["customised"]
    assert ["admin", "key-adds", "key-notes", "key-sets", "key-own"] == customised["keys"]
    assert 401 == requests.get(f"{redmine.url}/projects.json", timeout=60).status_code
    assert customised["bulk_projects"] < redmine.admin.get("/projects.json", limit=1)["total_count"]
    crowd = redmine.admin.get("/projects/custom-crowd/memberships.json", limit=1)
    assert customised["members"] < crowd["total_count"]
    assert {"attachment_extensions_allowed": "pdf,png"} == redmine.admin.settings(attachment_extensions_allowed="txt")
    assert {"attachment_extensions_allowed": "txt"} == redmine.admin.settings(attachment_extensions_allowed="pdf,png")
    wanted = {"project_id": "custom-without-description", "subject": "words", "description": "that go nowhere"}
    for login in customised["keys"]:
        made = redmine.api(login).call("POST", "/issues.json", {"issue": wanted})["issue"]
        assert None is made["description"]
