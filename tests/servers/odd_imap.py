"""A small IMAP server (RFC 9051, as much as the bridge asks of it) that misbehaves as a test wishes."""

import contextlib
import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BufferedRWPair

from tests.servers.odd import DO_AND_HANG_UP, HANG_UP, OddServer

CAPABILITIES = "IMAP4rev1 UIDPLUS MOVE"


@dataclass(slots=True)
class Kept:
    """A mail: its bytes, when it came, its flags in lower case."""

    raw: bytes
    received_at: dt.datetime
    flags: set[str] = field(default_factory=set)

    def header(self, name: str) -> str:
        """The value of a field, as it stands."""
        found = re.search(rf"^{name}:[ \t]*([^\r\n]*)", self.raw.decode("latin-1"), re.IGNORECASE | re.MULTILINE)
        return found[1] if found else ""


class OddImap(OddServer):
    """Holds `folders`: mails by UID. `capabilities` may be changed before a connection is made. `sizes` are what it
    tells of some UIDs in place of the true ones.
    """

    def __init__(self) -> None:
        super().__init__()
        self.capabilities = CAPABILITIES
        self.folders: dict[str, dict[int, Kept]] = {"INBOX": {}}
        self.next: dict[str, int] = {}
        self.sizes: dict[int, int] = {}

    def append(self, *mails: bytes, folder: str = "INBOX", received_at: dt.datetime | None = None) -> None:
        """Given mails, put them into a folder."""
        when = (received_at or dt.datetime.now(dt.UTC)).replace(microsecond=0)
        with self.lock:
            for raw in mails:
                self.put(folder, Kept(raw, when))

    def put(self, folder: str, mail: Kept) -> int:
        """Put a mail into a folder. Return its UID."""
        uid = self.next.get(folder, 1)
        self.next[folder] = uid + 1
        self.folders[folder][uid] = mail
        return uid

    def contents(self, folder: str = "INBOX") -> list[bytes]:
        """What lies in a folder, oldest first."""
        with self.lock:
            return [mail.raw for mail in self.folders.get(folder, {}).values()]

    def fetches(self) -> list[str]:
        """The sets of UIDs whose bytes were asked for, in order."""
        return [line.split()[2] for line in self.lines if line.startswith("UID FETCH") and "BODY.PEEK[]" in line]

    def whole(self, raw: bytes, stream: BufferedRWPair) -> bytes:
        """Take literals in the place of their sizes."""
        while raw.rstrip().endswith(b"}"):
            line, _, size = raw.rstrip().rpartition(b"{")
            stream.write(b"+ go on\r\n")
            stream.flush()
            raw = line + stream.read(int(size[:-1])) + stream.readline()
        return raw

    def session(self) -> Callable[[str], bytes | None]:
        """What answers a new connection."""
        return _Session(self)


class _Session:
    """One connection, with the folder that it has open."""

    def __init__(self, server: OddImap) -> None:
        self.server = server
        self.opened = ""

    def __call__(self, text: str) -> bytes | None:
        tag, _, line = text.partition(" ")
        self.server.lines.append(line)
        wish = self.server.wish(line)
        if wish == HANG_UP:
            return None
        if wish is not None and wish != DO_AND_HANG_UP:
            return f"{tag} {wish}\r\n".encode()
        words = line.split(" ")
        name = "_".join(words[:2]).lower() if words[0] == "UID" else words[0].lower()
        untagged, ending = getattr(self, f"do_{name}", lambda _line: (b"", "OK done"))(line)
        return None if wish == DO_AND_HANG_UP else untagged + f"{tag} {ending}\r\n".encode()

    def do_capability(self, _line: str) -> tuple[bytes, str]:
        return f"* CAPABILITY {self.server.capabilities}\r\n".encode(), "OK done"

    def do_login(self, _line: str) -> tuple[bytes, str]:
        self.server.logins += 1
        return b"", "OK done"

    def do_list(self, _line: str) -> tuple[bytes, str]:
        return b"".join(f'* LIST () "/" "{name}"\r\n'.encode() for name in self.server.folders), "OK done"

    def do_create(self, line: str) -> tuple[bytes, str]:
        self.server.folders.setdefault(line.split('"')[1], {})
        return b"", "OK done"

    def do_select(self, line: str) -> tuple[bytes, str]:
        name = line.split('"')[1]
        if name not in self.server.folders:
            return b"", "NO [NONEXISTENT] no such folder"
        self.opened = name
        there = (
            f"* FLAGS (\\Seen \\Deleted $MailbridgeDone)\r\n* {len(self.mails)} EXISTS\r\n"
            f"* OK [PERMANENTFLAGS (\\Seen \\Deleted \\*)] x\r\n"
            f"* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT {self.server.next.get(name, 1)}] x\r\n"
        )
        return there.encode(), "OK [READ-WRITE] done"

    @property
    def mails(self) -> dict[int, Kept]:
        """What lies in the open folder."""
        return self.server.folders[self.opened]

    def _chosen(self, uids: str) -> list[int]:
        found: set[int] = set()
        for part in uids.split(","):
            low, _, high = part.partition(":")
            last = max([*self.mails, int(low)]) if high == "*" else int(high or low)
            found.update(uid for uid in self.mails if int(low) <= uid <= last)
        return sorted(found)

    def do_uid_search(self, line: str) -> tuple[bytes, str]:
        uids = sorted(self.mails)
        if named := re.search(r"\bUID ([0-9:,*]+)", line[4:]):
            uids = self._chosen(named[1])
        if header := re.search(r'HEADER Message-ID "([^"]*)"', line):
            uids = [uid for uid in uids if header[1] in self.mails[uid].header("Message-ID")]
        if "UNDELETED" in line:
            uids = [uid for uid in uids if "\\deleted" not in self.mails[uid].flags]
        if "UNKEYWORD" in line:
            uids = [uid for uid in uids if "$mailbridgedone" not in self.mails[uid].flags]
        return f"* SEARCH {' '.join(map(str, uids))}\r\n".encode(), "OK done"

    def do_uid_fetch(self, line: str) -> tuple[bytes, str]:
        answers = []
        for number, uid in enumerate(sorted(self.mails), 1):
            if uid not in self._chosen(line.split(" ")[2]):
                continue
            mail, values = self.mails[uid], [f"UID {uid}".encode()]
            if "RFC822.SIZE" in line:
                values.append(f"RFC822.SIZE {self.server.sizes.get(uid, len(mail.raw))}".encode())
            if "INTERNALDATE" in line:
                values.append(f'INTERNALDATE "{mail.received_at:%d-%b-%Y %H:%M:%S +0000}"'.encode())
            if asked := re.search(r"BODY\.PEEK\[(.*)\](?:<(\d+)\.(\d+)>)?", line):
                values.append(_body(mail, asked))
            answers.append(f"* {number} FETCH (".encode() + b" ".join(values) + b")\r\n")
        return b"".join(answers), "OK done"

    def do_uid_store(self, line: str) -> tuple[bytes, str]:
        for uid in self._chosen(line.split(" ")[2]):
            self.mails[uid].flags.update(line.lower().partition("(")[2].rstrip(")").split())
        return b"", "OK done"

    def do_uid_expunge(self, line: str) -> tuple[bytes, str]:
        for uid in self._chosen(line.split(" ")[2]):
            if "\\deleted" in self.mails[uid].flags:
                del self.mails[uid]
        return b"", "OK done"

    def do_uid_move(self, line: str) -> tuple[bytes, str]:
        found = self.do_uid_copy(line)
        for uid in self._chosen(line.split(" ")[2]):
            del self.mails[uid]
        return found

    def do_uid_copy(self, line: str) -> tuple[bytes, str]:
        into = line.split('"')[1]
        if into not in self.server.folders:
            return b"", "NO [TRYCREATE] no such folder"
        uids, made = self._chosen(line.split(" ")[2]), []
        for uid in uids:
            mail = self.mails[uid]
            made.append(self.server.put(into, Kept(mail.raw, mail.received_at, set(mail.flags))))
        codes = f"[COPYUID 7 {','.join(map(str, uids))} {','.join(map(str, made))}] " if uids else ""
        return b"", f"OK {codes if 'UIDPLUS' in self.server.capabilities else ''}done"


def _body(mail: Kept, asked: re.Match[str]) -> bytes:
    """Given a mail and what of its body is asked for, return the value with its name."""
    section, offset, length = asked.groups()
    raw = mail.raw if not section else mail.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    if section.startswith("HEADER.FIELDS"):
        raw = f"Message-ID: {mail.header('Message-ID')}\r\n\r\n".encode("latin-1")
    name = f"BODY[{section}]"
    if offset is not None:
        raw, name = raw[int(offset) : int(offset) + int(length)], f"{name}<{offset}>"
    return f"{name} {{{len(raw)}}}\r\n".encode() + raw


@contextlib.contextmanager
def odd_imap() -> Iterator[OddImap]:
    """Serve an account to the end of the block."""
    server = OddImap()
    try:
        yield server
    finally:
        server.close()
