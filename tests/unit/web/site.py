"""The admin page in a test's hand."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from starlette.testclient import TestClient

from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.stored_mail import Description, StoredMail
from redmine_mailbridge.settings.load import load_with_origins
from redmine_mailbridge.web import wiring
from redmine_mailbridge.web.context import AppContext
from redmine_mailbridge.web.routes import make

URL = "http://127.0.0.1:8025"
REDMINE = "https://redmine.example.com"
PASSWORD = "correct horse 9"
OURS = {"Sec-Fetch-Site": "same-origin"}


def values(**admin: Any) -> dict[str, Any]:
    """Given keys of [admin], return a settings file as a tree."""
    box = {"host": "mail.example.com", "password": "do-not-show-me", "issue": {"project": "support"}}
    return {
        "redmine": {"url": REDMINE, "api_key": "key-do-not-show", "text_format": "common_mark"},
        "admin": {"listen": "127.0.0.1:8025", "password_hash_file": "admin-password"} | admin,
        "mailboxes": {
            "support": {"address": "support@example.com"} | box,
            "sales": {"address": "sales@example.com"} | box,
        },
    }


@dataclass(slots=True)
class Site:
    """The pages and a browser before them."""

    desk: AppContext
    browser: TestClient

    @classmethod
    @contextmanager
    def of(cls, file: Path, url: str = URL) -> Iterator[Self]:
        """Given a settings file, make the pages, and close their store at the end."""
        desk = wiring.context(load_with_origins(file, {}))
        try:
            yield cls(
                desk,
                TestClient(make(desk), base_url=url, follow_redirects=False, headers=OURS, client=("127.0.0.1", 1)),
            )
        finally:
            desk.store.close()

    def sign_in(self, password: str = PASSWORD, **fields: str) -> Any:
        """Sign in with the local password, or as the fields say. Return the answer."""
        form: Mapping[str, str] = {"way": "password", "password": password} | fields
        return self.browser.post("/login", data=form)

    def keep(
        self, content: bytes, *, mailbox: str = "support", sender: str = "", subject: str = "", uid: str = ""
    ) -> StoredMail:
        """Given a mail's bytes and what it says of itself, keep it in the store. Return its row."""
        number = uid or str(self.desk.statistics.states().get("stored", 0) + 1)
        place = Location(mailbox, "INBOX", "1", number)
        (row,) = self.desk.store.add([RawMail(Listed(place, len(content)), content)])
        described = Description(row.id, f"{row.id}@example.net", f"content-{row.id}", sender, subject)
        self.desk.store.describe([described])
        return row
