"""Finds mails over IMAP at a cost that does not grow with the mails that are already known."""

import datetime as dt
from collections.abc import Iterator, Sequence

from redmine_mailbridge.mailboxes.errors import ConnectionLost
from redmine_mailbridge.mailboxes.imap.filing import DONE, expunges_one
from redmine_mailbridge.mailboxes.imap.parse import by_uid, fetched, imap_date, internal_date, quote, uid_set
from redmine_mailbridge.mailboxes.imap.session import ImapSession, Selected
from redmine_mailbridge.model.mailbox import Listed, Location

WINDOW = 1000
"""UIDs looked through by the first search when only some mails are wanted; each further one takes twice as many."""

LAST_UID = 2**32 - 1
"""The highest UID that there can be (RFC 9051 section 9, nz-number): a server refuses a set that names a higher one."""

SIZES_AT_ONCE = 500
MESSAGE_ID_LIMIT = 2000


def new_uids(session: ImapSession, opened: Selected, *, above: int, limit: int | None) -> list[int]:
    """Given the open folder, return the UIDs above `above`, lowest first, at most `limit`, without those done.

    `UID SEARCH UID n:*` always answers with the last mail, even one below n (RFC 3501 section 6.4.8): filtered.
    """
    count = opened.answer.number("EXISTS")
    if count == 0:
        return []
    uid_next = opened.answer.number("UIDNEXT")
    if above >= LAST_UID or uid_next == above + 1:
        return []
    uid_next = None if uid_next is not None and uid_next <= max(above, count or 0) else uid_next  # it is untrue
    conditions = []
    if DONE.lower() in opened.answer.first("FLAGS").lower():
        conditions += ["UNKEYWORD", DONE]
    if not expunges_one(session) and not session.has("MOVE"):
        conditions += ["UNDELETED"]
    window = max(WINDOW, 2 * (limit or 0))
    if limit is None or uid_next is None or (count is not None and count <= window):
        return search(session, f"{above + 1}:*", conditions, above)[:limit]
    uids: list[int] = []
    start = above + 1
    while len(uids) < limit and start < uid_next:
        uids += search(session, f"{start}:{min(start + window, uid_next) - 1}", conditions, start - 1)
        start, window = start + window, window * 2
    return uids[:limit]


def highest_uid(session: ImapSession, opened: Selected) -> int:
    """Given the open folder, return the highest UID that is there, 0 when it is empty."""
    if opened.answer.number("EXISTS") == 0:
        return 0
    return max(search(session, "*", (), 0), default=0)


def search(session: ImapSession, uids: str, conditions: Sequence[str], above: int) -> list[int]:
    """Given a set of UIDs and conditions, return the UIDs above `above` that are there, lowest first.

    Raise MailboxUnreachable when the answer holds anything else: what it hides would be passed over.
    """
    answer = session.require_ok(session.uid("SEARCH", "UID", uids, *conditions))
    words = answer.all_words("SEARCH")
    if not all(word.isascii() and word.isdecimal() for word in words):
        raise ConnectionLost(f"{session.where}: the server's answer to SEARCH cannot be read")
    numbers = {int(word) for word in words}
    return sorted(number for number in numbers if number > above)


def sized(session: ImapSession, mailbox: str, folder: str, uid_validity: str, uids: Sequence[int]) -> Iterator[Listed]:
    """Given UIDs of the open folder, yield them with size and time of arrival, without those that have vanished.

    What a response omits is requested once more. An existing message that the server does not report is not
    passed over: its size is 0, as long as unknown.
    """
    for start in range(0, len(uids), SIZES_AT_ONCE):
        chunk = uids[start : start + SIZES_AT_ONCE]
        values_by_uid = sizes_and_ids(session, chunk)
        lacking = [
            uid for uid in chunk if not {"RFC822.SIZE", "INTERNALDATE"} <= values_by_uid.get(str(uid), {}).keys()
        ]
        for number, values in (sizes_and_ids(session, lacking) if lacking else {}).items():
            values_by_uid[number] = values | values_by_uid.get(number, {})
        unsized = [uid for uid in chunk if not values_by_uid.get(str(uid), {}).get("RFC822.SIZE", b"").isdigit()]
        gone = set(unsized).difference(search(session, uid_set(unsized), (), 0) if unsized else ())
        for uid in chunk:
            values = values_by_uid.get(str(uid), {})
            if uid not in gone:
                size = int(values["RFC822.SIZE"]) if uid not in unsized else 0
                when = internal_date(values.get("INTERNALDATE", b""))
                yield Listed(Location(mailbox, folder, uid_validity, str(uid)), size, when)


def sizes_and_ids(session: ImapSession, uids: Sequence[int]) -> dict[str, dict[str, bytes]]:
    """Given UIDs of the open folder, return what the server says of their size and time of arrival, by UID."""
    answer = session.uid("FETCH", uid_set(uids), "(UID RFC822.SIZE INTERNALDATE)")
    if not answer.data.get("FETCH"):
        session.require_ok(answer)
    return by_uid(answer.data.get("FETCH", []))


def found_by_id(session: ImapSession, message_id: str) -> tuple[str, ...]:
    """Given a Message-ID without <>, return the UIDs of the open folder whose header holds exactly it.

    The server compares parts of the header (RFC 3501 section 6.4.4), so that each candidate is read and compared.
    """
    exact_id = message_id.strip()
    if not exact_id or len(exact_id) > MESSAGE_ID_LIMIT or not exact_id.isprintable():
        return ()
    if exact_id.isascii():
        answer = session.uid("SEARCH", "HEADER", "Message-ID", quote(exact_id.encode()))
    else:
        session.client.literal = exact_id.encode()
        answer = session.uid("SEARCH", "CHARSET", "UTF-8", "HEADER", "Message-ID")
    candidates = session.require_ok(answer).all_words("SEARCH")
    uids: list[str] = []
    for start in range(0, len(candidates), SIZES_AT_ONCE):
        uid_list = ",".join(candidates[start : start + SIZES_AT_ONCE])
        answer = session.require_ok(session.uid("FETCH", uid_list, "(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"))
        mails = fetched(answer.data.get("FETCH", []))
        uids += [mail.uid for mail in mails if exact_id in header_values(mail.values.get("BODY", b""))]
    return tuple(sorted(uids, key=int))


def found_alike(
    session: ImapSession, mailbox: str, folder: str, uid_validity: str, listed: Listed
) -> tuple[Location, ...]:
    """Given a mail as it was once listed, return where in the open folder mails of its size and time of receipt lie.

    SEARCH knows days only, in a zone of the server's (RFC 9051 section 6.4.4).
    """
    if listed.received_at is None:
        return ()
    day = listed.received_at.date()
    since, before = (imap_date(day + dt.timedelta(days=days)) for days in (-1, 2))
    answer = session.require_ok(session.uid("SEARCH", "SINCE", since, "BEFORE", before))
    uids = sorted(int(word) for word in answer.all_words("SEARCH") if word.isdecimal())
    candidates = sized(session, mailbox, folder, uid_validity, uids)
    return tuple(
        mail.location for mail in candidates if (mail.size, mail.received_at) == (listed.size, listed.received_at)
    )


def message_ids(session: ImapSession, uids: Sequence[str]) -> dict[str, str]:
    """Given UIDs of the open folder, return by UID the Message-ID fields of those that have one, on one line."""
    ids_by_uid: dict[str, str] = {}
    for start in range(0, len(uids), SIZES_AT_ONCE):
        uid_list = ",".join(uids[start : start + SIZES_AT_ONCE])
        answer = session.require_ok(session.uid("FETCH", uid_list, "(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"))
        for mail in fetched(answer.data.get("FETCH", [])):
            value = one_line(mail.values.get("BODY", b""))
            ids_by_uid |= {mail.uid: value} if value else {}
    return ids_by_uid


def one_line(field: bytes) -> str:
    """Given the bytes of a header field with its name, return its value on one line; "" when there is none."""
    return " ".join(field.decode("utf-8", "replace").partition(":")[2].split())


def header_values(raw: bytes) -> set[str]:
    """Given the bytes of Message-ID fields, return their values, unfolded, with and without their <>."""
    text = raw.decode("utf-8", "replace").replace("\r\n ", " ").replace("\r\n\t", " ").replace("\n ", " ")
    values = {line.partition(":")[2].strip() for line in text.splitlines()}
    return values | {value.removeprefix("<").removesuffix(">").strip() for value in values}


def message_id_field(head: bytes) -> bytes:
    """Given a mail's header, return its Message-ID fields with their continuation lines."""
    kept, inside = [], False
    for line in head.splitlines(keepends=True):
        inside = (inside and line[:1] in {b" ", b"\t"}) or line[:11].lower() == b"message-id:"
        kept += [line] if inside else []
    return b"".join(kept)
