"""`[mailbox_defaults]`: what mailboxes share. Merged into each mailbox before anything is validated."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

from redmine_mailbridge.settings.loading.origins import Layer, Where
from redmine_mailbridge.settings.mailbox import MailboxSettings

TABLE: Final = "mailbox_defaults"
OWN: Final = ("address", "aliases")
"""What each mailbox has of its own."""
_LOGIN: Final = frozenset({"password", "password_file", "oauth"})
_SERVER: Final = frozenset({"host", "port", "security", "username"})
_OF_ONE_PROTOCOL: Final = frozenset({
    "folders", "success_folder", "failure_folder", "after_success", "after_failure", "start_from", "first_sync_limit",
    "port",
})  # fmt: skip


class MailboxDefaults(MailboxSettings):
    """What mailboxes share: any key of `[mailboxes.NAME]` and of its tables but `address` and `aliases`. It holds for
    each mailbox that does not say otherwise, key by key; a list is taken as a whole. A mailbox with a password, a
    password_file or an oauth of its own takes none of these three; one with a preset of its own takes no server from
    here; one with another protocol takes nothing that only one of the two has (folders, what becomes of done mail).
    """


def share(merged: Layer) -> tuple[dict[Where, Where], list[tuple[Where, str]]]:
    """Given all that was said, add to each mailbox what `[mailbox_defaults]` says and the mailbox leaves out.

    Return for each value that was added its place in `[mailbox_defaults]`, and the path and words of each problem.
    """
    shared = merged.data.pop(TABLE, None)
    boxes = merged.data.get("mailboxes")
    if shared is None:
        return {}, []
    if not isinstance(shared, dict):
        return {}, [((TABLE,), "must be a table")]
    problems: list[tuple[Where, str]] = [
        ((TABLE, name), "each mailbox has its own: it belongs in [mailboxes.NAME]") for name in OWN if name in shared
    ]
    shared = {name: value for name, value in shared.items() if name not in OWN}
    homes: dict[Where, Where] = {}
    for name, box in boxes.items() if isinstance(boxes, Mapping) else ():
        if isinstance(box, dict):
            for path in list(_added(box, shared, _kept_out(box, shared))):
                homes["mailboxes", name, *path] = (TABLE, *path)
    merged.origins.update({
        (*place, *where[len(home) :]): origin
        for place, home in homes.items()
        for where, origin in list(merged.origins.items())
        if where[: len(home)] == home
    })  # fmt: skip
    return homes, problems


def _kept_out(box: Mapping[str, Any], shared: Mapping[str, Any]) -> frozenset[str]:
    """Given a mailbox and what is shared, return the keys that it does not take since it goes its own way there."""
    out: frozenset[str] = frozenset()
    if _LOGIN & box.keys():
        out |= _LOGIN
    if "preset" in box:
        out |= _SERVER
    elif "host" in box:
        out |= {"preset"}
    if box.get("protocol", shared.get("protocol", "imap")) != shared.get("protocol", "imap"):
        out |= _OF_ONE_PROTOCOL
    return out


def _added(
    table: dict[str, Any], shared: Mapping[str, Any], kept_out: frozenset[str], path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Put into a table what is shared and it does not say. Yield the path of each value, or table, that is put."""
    for name, value in shared.items():
        own, below = table.get(name), (*path, name)
        if isinstance(own, dict) and isinstance(value, Mapping):
            out: frozenset[str] = frozenset()
            if name == "outgoing":
                out = (_LOGIN if _LOGIN & own.keys() else frozenset()) | (kept_out & _SERVER)
            yield from _added(own, value, out, below)
        elif name not in table and name not in kept_out:
            table[name] = copy.deepcopy(value)
            yield below
