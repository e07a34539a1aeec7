"""The folders of a mailbox over Graph: ids by the paths that people write, `INBOX` for the inbox whatever its name."""

import difflib
import time
from collections.abc import Iterator

from redmine_mailbridge.errors import FolderMissing, MailboxUnreachable
from redmine_mailbridge.mailboxes.graph.client import GraphClient, GraphRefused
from redmine_mailbridge.side_effects import SideEffect, side_effect

INBOX = "INBOX"
DEEPEST = 20
EMPTIED = ("deleteditems", "junkemail")
"""Well-known names of the folders whose mails the server removes after some time."""
FRESH = 30.0
"""Seconds for which a folder that mail is moved to is believed to be where it was. Outlook "deletes" a folder by
moving it below the deleted items, where its id still takes mail."""


class GraphFolders:
    """Paths and ids, listed once and again when a name is not among them."""

    def __init__(self, client: GraphClient) -> None:
        self.client = client
        self._ids: dict[str, str] = {}
        self._parents: dict[str, str] = {}
        self._seen_at: dict[str, float] = {}

    def listed(self, *, fresh: bool = False) -> dict[str, str]:
        """Return the ids by path (`INBOX/errors`)."""
        if fresh or not self._ids:
            inbox = str(self.client.call("GET", "/mailFolders/inbox", params={"$select": "id"})["id"])
            self._parents, self._seen_at = {}, {}
            self._ids = dict(self._below("/mailFolders", "", inbox, DEEPEST))
        return self._ids

    def _below(self, path: str, prefix: str, inbox: str, deep: int) -> Iterator[tuple[str, str]]:
        parameters = {"$select": "id,displayName,childFolderCount,parentFolderId", "$top": "250"}
        for folder in self.client.values(path, params=parameters):
            folder_id = str(folder["id"])
            self._parents[folder_id], self._seen_at[folder_id] = str(folder.get("parentFolderId", "")), time.monotonic()
            name = INBOX if folder_id == inbox else prefix + str(folder.get("displayName", ""))
            yield name, folder_id
            if folder.get("childFolderCount") and deep:
                yield from self._below(f"/mailFolders/{folder_id}/childFolders", name + "/", inbox, deep - 1)

    def id_of(self, folder: str) -> str:
        """Given a folder of the settings, return its id. Raise FolderMissing, with similar names."""
        name = spelled(folder)
        folder_id = self._named(name, self.listed()) or self._named(name, self.listed(fresh=True))
        if folder_id is None:
            near = difflib.get_close_matches(name, self._ids, n=2, cutoff=0.6)
            hint = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
            raise FolderMissing(f"{self.client.where}: no folder {folder!r}{hint}")
        return folder_id

    def target(self, folder: str) -> str:
        """Given the target folder of a move, return its id, fetched again. Raise FolderMissing."""
        folder_id = self.id_of(folder)
        if time.monotonic() - self._seen_at.get(folder_id, 0.0) < FRESH:
            return folder_id
        try:
            properties = self.client.call("GET", f"/mailFolders/{folder_id}", params={"$select": "parentFolderId"})
        except GraphRefused as refused:
            if not refused.missing:
                raise MailboxUnreachable(str(refused)) from None
            properties = {}
        if properties.get("parentFolderId") != self._parents.get(folder_id):  # gone, or moved elsewhere
            self.listed(fresh=True)
            return self.id_of(folder)
        self._seen_at[folder_id] = time.monotonic()
        return folder_id

    def empties(self, folder: str) -> bool:
        """Given a folder of the settings, does it lie among the deleted items or the junk, which the server empties?"""
        folder_id = self.id_of(folder)
        above = {folder_id}
        while folder_id := self._parents.get(folder_id, ""):
            above.add(folder_id)
        return any(self._well_known(name) in above for name in EMPTIED)

    def junk(self) -> str | None:
        """Return the path of the folder for junk e-mail, whatever it is called; None if there is none."""
        junk_id = self._well_known("junkemail")
        if not junk_id:
            return None
        return next((path for path, folder_id in self.listed().items() if folder_id == junk_id), None)

    def _well_known(self, name: str) -> str:
        """Given a name that every mailbox has for a folder of its own, return the folder's id; "" for none."""
        try:
            return str(self.client.call("GET", f"/mailFolders/{name}", params={"$select": "id"})["id"])
        except GraphRefused as refused:
            if refused.missing:
                return ""
            raise MailboxUnreachable(str(refused)) from None

    def _named(self, name: str, ids: dict[str, str]) -> str | None:
        """Exactly, else in any case: Exchange keeps no two folders whose names differ in case only."""
        if name in ids:
            return ids[name]
        return next((folder_id for path, folder_id in ids.items() if path.casefold() == name.casefold()), None)

    def ensure(self, folder: str) -> bool:
        """Given a folder, make it, and those above it, when it is missing. Return whether it was made."""
        name = spelled(folder)
        if self._named(name, self.listed()) or self._named(name, self.listed(fresh=True)):
            return False
        with side_effect(SideEffect.MAKE_FOLDER):
            self._make(name)
        self.listed(fresh=True)
        return True

    def _make(self, name: str) -> None:
        above = ""
        path = "/mailFolders"
        for piece in name.split("/"):
            above = f"{above}/{piece}" if above else piece
            parent_id = self._named(above, self._ids)
            if parent_id is None:
                try:
                    parent_id = str(self.client.call("POST", path, json={"displayName": piece})["id"])
                except GraphRefused as refused:
                    raise FolderMissing(f"{self.client.where}: folder {name!r} cannot be made: {refused}") from None
            path = f"/mailFolders/{parent_id}/childFolders"


def spelled(folder: str) -> str:
    """Given a folder of the settings, return it with the inbox's name as it is kept here."""
    first, slash, rest = folder.strip("/").partition("/")
    return (INBOX if first.upper() == INBOX else first) + slash + rest
