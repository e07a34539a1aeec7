"""The folders of an IMAP account, and how a name in the settings finds one of them."""

import difflib
from collections.abc import Iterable
from dataclasses import replace

from redmine_mailbridge.errors import FolderMissing
from redmine_mailbridge.mailboxes.imap.parse import ListedFolder, encode_folder, listed_folders, quote, tokens
from redmine_mailbridge.mailboxes.imap.session import ImapResponse, ImapSession
from redmine_mailbridge.side_effects import SideEffect, side_effect

JUNK = "\\junk"
SENT = "\\sent"
JUNK_NAMES = ("junk", "junk e-mail", "junk mail", "spam", "bulk mail", "spamverdacht")
"""By what name a junk folder is known where the server marks none, the likeliest first."""
EMPTIED = frozenset({"\\trash", "\\junk"})
EMPTIED_NAMES = frozenset(
    name.casefold()
    for name in (
        "Trash", "Bin", "Deleted Items", "Deleted Messages", "Deleted", "Junk", "Junk E-mail", "Spam", "Bulk Mail",
        "Papierkorb", "Gelöschte Elemente", "Gelöschte Objekte", "Corbeille", "Éléments supprimés", "Cestino",
    )
)  # fmt: skip


class ImapFolders:
    """The account's folders as the server last listed them; listed again when a name is not among them."""

    def __init__(self, session: ImapSession) -> None:
        self.session = session
        self._listed: dict[str, ListedFolder] | None = None
        self._prefix: str | None = None

    def listed(self, *, fresh: bool = False) -> dict[str, ListedFolder]:
        """Return the folders by name as the server spells it."""
        if self._listed is None or fresh:
            answer = self.session.require_ok(self.session.command("LIST", '""', '"*"'))
            self._listed = named(listed_folders(answer.data.get("LIST", [])))
        return self._listed

    def wire(self, name: str) -> bytes:
        """Given a spelled name, return it for the wire: as the server listed it, else encoded."""
        folder = self.listed().get(name)
        return encode_folder(name) if folder is None else quote(folder.wire)

    def delimiter(self) -> str | None:
        """Return the sign between a folder and the one in it; None when no folder holds folders: some servers say so of
        INBOX alone.
        """
        delimiters = [folder.delimiter for folder in self.listed().values()]
        return next((sign for sign in delimiters if sign is not None), None if delimiters else "/")

    def prefix(self) -> str:
        """Return what the account's own folders begin with (`INBOX.`, RFC 2342), or an empty text."""
        if self._prefix is None:
            self._prefix = ""
            if self.session.has("NAMESPACE"):
                answer = self.session.command("NAMESPACE")
                values = [token for token in tokens(answer.data.get("NAMESPACE", [])) if token not in {"(", ")"}]
                if values and values[0] != b"NIL":
                    self._prefix = bytes(values[0]).decode("ascii", "replace")  # type: ignore[arg-type]
            elif all(self._is_inbox_or_below(name) for name in self.listed()) and len(self.listed()) > 1:
                self._prefix = "INBOX" + (self.delimiter() or "")
        return self._prefix

    def _is_inbox_or_below(self, name: str) -> bool:
        delimiter = self.delimiter() or "/"
        return name.upper() == "INBOX" or name.upper().startswith("INBOX" + delimiter)

    def spell(self, folder: str) -> str:
        """Given a folder's name in the settings, return the server's spelling, whether it exists or is to be made.

        A folder of exactly this name is preferred, then one with this encoded name. Else `/` represents the server's
        delimiter, `inbox` for INBOX, and the account's prefix is added where it is missing.
        """
        listed = self.listed()
        if folder in listed:
            return folder
        if "&" in folder:
            for entry in listed.values():
                if entry.written == folder:
                    return entry.name
        delimiter = self.delimiter()
        name = folder.strip("/") if delimiter != "/" else folder.removesuffix("/")
        pieces = name.split("/")
        if delimiter is not None:
            pieces = name.replace(delimiter, "/").split("/")
            name = delimiter.join(pieces)
        if pieces[0].upper() == "INBOX":
            name = "INBOX" + name[5:]
        prefix = self.prefix()
        if name in listed or not prefix or name.upper() == "INBOX" or name.startswith(prefix):
            return name
        return prefix + name

    def junk(self) -> str | None:
        """Return the folder marked \\Junk (RFC 6154), else one that is called like it; None if there is none."""
        marked = sorted(self._marked(frozenset({JUNK})))
        if marked:
            return marked[0]
        delimiter = self.delimiter() or "/"
        by_last_part = {name.rpartition(delimiter)[2].casefold(): name for name in sorted(self.listed(), reverse=True)}
        return next((by_last_part[name] for name in JUNK_NAMES if name in by_last_part), None)

    def sent(self) -> str | None:
        """Return the folder marked \\Sent (RFC 6154); None if there is none."""
        return next(iter(sorted(self._marked(frozenset({SENT})))), None)

    def _marked(self, flags: frozenset[str]) -> set[str]:
        """Return the folders with one of these attributes."""
        marked = {name for name, folder in self.listed().items() if folder.flags & flags}
        if not marked and self.session.has("SPECIAL-USE"):
            answer = self.session.command("LIST", "(SPECIAL-USE)", '""', '"*"')
            folders = listed_folders(answer.data.get("LIST", []))
            marked = {folder.name for folder in folders if folder.flags & flags}
        return marked

    def empties(self, folder: str) -> bool:
        """Given a folder's name, does the server delete its messages automatically? It, or a parent, is the trash or
        the junk: by its attribute (RFC 6154), or by its name if no folder has such an attribute.
        """
        name = self.spell(folder)
        marked = self._marked(EMPTIED)
        pieces = name.split(self.delimiter() or "/")
        if not marked:
            return any(piece.casefold() in EMPTIED_NAMES for piece in pieces)
        above = ((self.delimiter() or "/").join(pieces[:count]) for count in range(1, len(pieces) + 1))
        return any(path in marked for path in above)

    def missing(self, folder: str, answer: ImapResponse) -> FolderMissing:
        """Given a folder and the server's refusal, return the error that says so and names similar folders."""
        names = [listed.name for listed in self.listed(fresh=True).values() if listed.selectable]
        lower = {name.lower(): name for name in names}
        near = difflib.get_close_matches(self.spell(folder).lower(), lower, n=2, cutoff=0.6)
        hint = f" (did you mean {' or '.join(repr(lower[name]) for name in near)}?)" if near else ""
        return FolderMissing(f"{self.session.where}: no folder {folder!r}{hint}: {answer.text}")

    def ensure(self, folder: str) -> bool:
        """Given a folder's name, make it when it is missing. Return whether it was made. Raise FolderMissing."""
        name = self.spell(folder)
        entry_before = self.listed().get(name) or self.listed(fresh=True).get(name)
        if name.upper() == "INBOX" or (entry_before is not None and entry_before.selectable):
            return False
        with side_effect(SideEffect.MAKE_FOLDER):
            answer = self._create(name)
            if answer.ok:
                self.session.command("SUBSCRIBE", encode_folder(name))
        entry = self.listed(fresh=True).get(name)
        # not every server lists them all
        exists = answer.code == "ALREADYEXISTS" if entry is None else entry.selectable
        if not answer.ok and not exists:
            raise self.missing(folder, answer)
        return answer.ok

    def _create(self, name: str) -> ImapResponse:
        """Given a spelled name, create the folder; if the server does not create its parents automatically, create
        them."""
        answer = self.session.command("CREATE", encode_folder(name))
        delimiter = self.delimiter()
        if answer.ok or answer.code == "ALREADYEXISTS" or not delimiter or delimiter not in name:
            return answer
        pieces = name.split(delimiter)
        for count in range(1, len(pieces) + 1):
            part = delimiter.join(pieces[:count])
            if part not in self.listed():
                answer = self.session.command("CREATE", encode_folder(part))
        return answer


def named(folders: Iterable[ListedFolder]) -> dict[str, ListedFolder]:
    """Given folders, return them by name. Where two have one name (`R&-D` and `R&D`), each has what is on the wire."""
    by_name: dict[str, ListedFolder] = {}
    for folder in folders:
        other = by_name.pop(folder.name, None)
        for namesake in (folder,) if other is None else (folder, other):
            name = folder.name if other is None else namesake.written
            by_name[name] = replace(namesake, name=name)
    return by_name
