"""A mailbox over Microsoft Graph: for Exchange Online where IMAP is switched off.

New mail is found by delta queries (the changes since the last question), so that what lies there costs nothing. Of a
change Graph reports that a message is in the folder now, not since when: `receivedDateTime` stays when a mail is moved
in, `lastModifiedDateTime` changes when somebody reads it. So new is what the store does not know by its id. A UID is
the time of arrival and Graph's id, which changes when a mail moves to another folder.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from redmine_mailbridge.errors import FilingRefused, LoginRefused, MailboxUnreachable, MailUnreadable
from redmine_mailbridge.mailboxes.account import Account
from redmine_mailbridge.mailboxes.graph.client import PAGE, GraphClient, GraphRefused
from redmine_mailbridge.mailboxes.graph.folders import GraphFolders, spelled
from redmine_mailbridge.mailboxes.graph.items import (
    DONE,
    SIZE,
    FolderSnapshot,
    GraphItem,
    id_of,
    item_of,
    time_of,
    uid_of,
)
from redmine_mailbridge.mailboxes.pop3.mailbox import FindKnown
from redmine_mailbridge.mailboxes.spool import HEAD, PIECE, to_file
from redmine_mailbridge.model.mailbox import (
    ConnectionInfo,
    Filing,
    FolderState,
    Listed,
    Location,
    MailboxConfig,
    RawMail,
)
from redmine_mailbridge.side_effects import SideEffect, side_effect

VALIDITY = "graph"
POLL = 15.0


class GraphMailbox(Account):
    """One account over Graph. `contract.Mailbox` says what each method does."""

    in_order = False

    def __init__(self, config: MailboxConfig, known: FindKnown | None = None, *, poll: float = POLL) -> None:
        super().__init__(config)
        self._known = known
        self._poll = poll
        self._client: GraphClient | None = None
        self._folders: GraphFolders | None = None
        self._seen: dict[str, FolderSnapshot] = {}

    def connect(self) -> None:
        """Ask for the inbox, if nothing was asked yet."""
        if self._client is not None:
            return
        client = GraphClient(self.config)
        try:
            folders = GraphFolders(client)
            folders.listed()
        except GraphRefused as refused:
            client.close()
            raise LoginRefused(str(refused)) from None
        except BaseException:
            client.close()
            raise
        self._client, self._folders = client, folders

    def close(self) -> bool:
        """Give the connections back."""
        client, self._client, self._folders = self._client, None, None
        if client is not None:
            client.close()
        return True

    def connected(self) -> ConnectionInfo:
        """Connect; return what the connection is."""
        client, _ = self._open()
        return ConnectionInfo("Microsoft Graph v1.0", "OAuth bearer token", (), client.tls, None, "move", False)

    def folders(self) -> tuple[str, ...]:
        """All folders, as paths."""
        _, folders = self._open()
        return tuple(sorted(folders.listed(fresh=True)))

    def ensure_folder(self, folder: str) -> bool:
        """Make a folder when it is missing; return whether it was made."""
        _, folders = self._open()
        return folders.ensure(folder)

    def state(self, folder: str) -> FolderState:
        """Ask how many mails lie there."""
        client, folders = self._open()
        path = f"/mailFolders/{folders.id_of(folder)}"
        properties = self._asked(client, "GET", path, params={"$select": "totalItemCount"})
        return FolderState(folder, VALIDITY, int(properties.get("totalItemCount", 0)), keywords=True)

    def list_new(self, folder: str, *, after: str | None = None, limit: int | None = None) -> tuple[Listed, ...]:
        """Ask for the changes; list what appeared after `after` and the store does not know."""
        seen = self._refreshed(folder)
        seen.reported = seen.count
        uids = seen.behind(after)
        known_uids = self._known(uids) if self._known is not None and uids else ()
        new = [uid for uid in uids if uid not in known_uids]
        return tuple(self._listed(folder, uid, seen.items[uid]) for uid in (new if limit is None else new[:limit]))

    def _listed(self, folder: str, uid: str, item: GraphItem) -> Listed:
        item.listed = True
        return Listed(Location(self.name, folder, VALIDITY, uid), item.size, item.received_at)

    def _refreshed(self, folder: str) -> FolderSnapshot:
        """Given a folder, take in what has changed there since the last question, or all of it the first time."""
        client, folders = self._open()
        folder_id = folders.id_of(folder)
        seen = self._seen.setdefault(folder_id, FolderSnapshot())
        try:
            self._take_changes(client, folder_id, seen)
        except GraphRefused as refused:
            if refused.status != 410:  # Graph has forgotten where we were: ask for all again
                raise MailboxUnreachable(str(refused)) from None
            seen.link = ""
            self._take_changes(client, folder_id, seen)
        return seen

    def _take_changes(self, client: GraphClient, folder_id: str, seen: FolderSnapshot) -> None:
        whole = not seen.link  # what it does not name is not there, then
        path = seen.link or (
            f"/mailFolders/{folder_id}/messages/delta?$select=receivedDateTime,categories,internetMessageId"
            f"&$expand=singleValueExtendedProperties($filter=id eq '{SIZE}')"
        )
        changes: list[dict[str, Any]] = []
        link = ""
        for page in client.pages(path, headers={"Prefer": f"odata.maxpagesize={PAGE}"}):
            changes += client.objects(page)
            link = str(page.get("@odata.deltaLink", ""))
        uids = {uid.partition("-")[2]: uid for uid in seen.items}
        if whole:
            for gone in uids.keys() - {str(change["id"]) for change in changes}:
                seen.remove(uids[gone])
        for change in sorted(changes, key=lambda message: str(message.get("receivedDateTime", ""))):
            uid = uids.get(str(change["id"]))
            if "@removed" in change:
                seen.remove(uid or "")
            elif uid is not None:
                seen.items[uid].done = DONE in change.get("categories", ())
            else:
                item = item_of(change, seen.count)
                seen.items[uid_of(change, item.received_at)] = item
                seen.count += 1
        seen.link = link

    def fetch(self, listed: Sequence[Listed], spool: Path, *, max_size: int) -> Iterator[RawMail]:
        """Yield the bytes of mails, one request each."""
        for mail in listed:
            if mail.location.uid_validity != VALIDITY:
                continue
            raw = self._fetch_one(mail, spool, max_size)
            if raw is not None:
                yield raw

    def _fetch_one(self, mail: Listed, spool: Path, max_size: int) -> RawMail | None:
        client, _ = self._open()
        pieces = client.content(f"/messages/{id_of(mail.location.uid)}/$value")
        content = bytearray()
        try:
            for piece in pieces:
                content += piece
                if len(content) > max_size:
                    return RawMail(mail, content=bytes(content[:HEAD]), truncated=True)
                if len(content) > PIECE:
                    return to_file(spool, mail, chain([bytes(content)], pieces), max_size)
        except GraphRefused as refused:
            if refused.missing:
                return None
            raise MailUnreadable(str(refused), uid=mail.location.uid) from None
        finally:
            pieces.close()  # type: ignore[attr-defined]  # a generator
        if mail.size and not content:
            raise MailUnreadable(f"{client.where}: 200, and not a byte of the mail", uid=mail.location.uid)
        return RawMail(mail, content=bytes(content))

    def file(self, location: Location, folder: str, *, first: bool = False) -> Filing:
        """Move one mail."""
        del first  # a move is one step
        client, folders = self._open()
        target = folders.target(folder)
        if spelled(folder).casefold() == spelled(location.folder).casefold():
            return Filing.KEPT
        with side_effect(SideEffect.MOVE):
            done = self._change(client, "POST", location, "/move", {"destinationId": target})
        if not done and self._is_there(client, location):  # what Graph did not find is the folder, then
            folders.listed(fresh=True)
            folders.id_of(folder)
            raise FilingRefused(f"{client.where}: folder {folder!r} was not found as a mail was moved there; try again")
        return Filing.MOVED if done else Filing.GONE

    def _is_there(self, client: GraphClient, location: Location) -> bool:
        """Does a mail lie where it did? A 404 of a move names neither the mail nor the folder."""
        if location.uid_validity != VALIDITY:
            return False
        try:
            client.call("GET", f"/messages/{id_of(location.uid)}", params={"$select": "parentFolderId"})
        except GraphRefused as refused:
            if refused.missing:
                return False
            raise FilingRefused(str(refused)) from None
        return True

    def empties(self, folder: str) -> bool:
        """The deleted items and the junk, with all folders in them."""
        _, folders = self._open()
        return folders.empties(folder)

    def junk(self) -> str | None:
        """Exchange's folder for junk e-mail."""
        _, folders = self._open()
        return folders.junk()

    def delete(self, location: Location) -> Filing:
        """Remove one mail: it goes to Exchange's deleted items."""
        client, _ = self._open()
        with side_effect(SideEffect.MOVE):
            return Filing.DELETED if self._change(client, "DELETE", location) else Filing.GONE

    def mark(self, location: Location) -> Filing:
        """Add the category `Mailbridge done` to one mail."""
        client, _ = self._open()
        if location.uid_validity != VALIDITY:
            return Filing.GONE
        try:
            mail = client.call("GET", f"/messages/{id_of(location.uid)}", params={"$select": "categories"})
        except GraphRefused as refused:
            if refused.missing:
                return Filing.GONE
            raise FilingRefused(str(refused)) from None
        categories = list(dict.fromkeys([*mail.get("categories", ()), DONE]))
        with side_effect(SideEffect.MOVE):
            return (
                Filing.KEPT if self._change(client, "PATCH", location, "", {"categories": categories}) else Filing.GONE
            )

    def _change(
        self, client: GraphClient, method: str, location: Location, way: str = "", body: dict[str, Any] | None = None
    ) -> bool:
        """Change one mail. Return whether it was there. Raise FilingRefused with the server's words."""
        if location.uid_validity != VALIDITY:
            return False
        options = {"json": body} if body is not None else {}
        try:
            client.call(method, f"/messages/{id_of(location.uid)}{way}", **options)
        except GraphRefused as refused:
            if refused.missing:
                return False
            raise FilingRefused(str(refused)) from None
        return True

    def message_ids(self, listed: Sequence[Listed]) -> dict[str, str]:
        """They came with the list of changes."""
        if not listed:
            return {}
        items = self._refreshed(listed[0].location.folder).items
        uids = (mail.location.uid for mail in listed if mail.location.uid_validity == VALIDITY)
        return {uid: items[uid].message_id for uid in uids if uid in items and items[uid].message_id}

    def find(self, folder: str, message_id: str) -> tuple[str, ...]:
        """Ask for the mails whose Message-ID is exactly this one."""
        client, folders = self._open()
        quoted_id = "<" + message_id.replace("'", "''") + ">"
        parameters = {"$filter": f"internetMessageId eq '{quoted_id}'", "$select": "receivedDateTime"}
        try:
            messages = list(client.values(f"/mailFolders/{folders.id_of(folder)}/messages", params=parameters))
        except GraphRefused as refused:
            raise MailboxUnreachable(str(refused)) from None
        return tuple(sorted(uid_of(message, time_of(message)) for message in messages))

    def alike(self, listed: Listed, folder: str) -> tuple[Location, ...]:
        """Ask for the mails received at the same second; sizes are Exchange's, and not compared."""
        client, folders = self._open()
        if listed.received_at is None:
            return ()
        second = listed.received_at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        parameters = {"$filter": f"receivedDateTime eq {second}", "$select": "receivedDateTime"}
        try:
            messages = list(client.values(f"/mailFolders/{folders.id_of(folder)}/messages", params=parameters))
        except GraphRefused as refused:
            raise MailboxUnreachable(str(refused)) from None
        return tuple(Location(self.name, folder, VALIDITY, uid_of(message, time_of(message))) for message in messages)

    def wait(self, folder: str, seconds: float) -> bool:
        """Poll for changes periodically: Graph sends notifications only to a server that it can reach."""
        seconds_left = seconds
        while True:
            seen = self._refreshed(folder)
            if seen.count != seen.reported:
                seen.reported = seen.count
                return True
            if seconds_left <= 0:
                return False
            rang, _ = self._wakeup.wait(min(self._poll, seconds_left))
            if rang:
                return False
            seconds_left -= self._poll

    def cut(self) -> None:
        """Nothing to cut: each request has a connection and an end of its own."""
        self._wakeup.set()

    def _open(self) -> tuple[GraphClient, GraphFolders]:
        self.connect()
        assert self._client is not None and self._folders is not None  # noqa: S101,PT018 - connect() has just made them
        return self._client, self._folders

    def _asked(self, client: GraphClient, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            return client.call(method, path, **options)
        except GraphRefused as refused:
            raise MailboxUnreachable(str(refused)) from None
