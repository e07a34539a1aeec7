"""`[mailbox_defaults]`: defaults for all mailboxes. Merged into each mailbox before validation."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

from redmine_mailbridge.settings.loading.origins import Layer, Where
from redmine_mailbridge.settings.mailbox import MailboxSettings

TABLE: Final = "mailbox_defaults"
OWN: Final = ("address", "aliases")
"""The keys that each mailbox must set itself."""
_LOGIN: Final = frozenset({"password", "password_file", "oauth"})
_SERVER: Final = frozenset({"host", "port", "security", "username"})
_OF_ONE_PROTOCOL: Final = frozenset({
    "folders", "success_folder", "failure_folder", "after_success", "after_failure", "start_from", "first_sync_limit",
    "port", "junk_folder",
})  # fmt: skip
_OF_A_SERVER: Final = _SERVER | _LOGIN | {"preset", "authorize_as", "login", "ca_file", "allow_cleartext"}


class MailboxDefaults(MailboxSettings):
    """Defaults for all mailboxes: any key of `[mailboxes.NAME]` and its tables except `address` and `aliases`. A
    mailbox overrides them key by key; a list is replaced as a whole. A mailbox that sets password, password_file or
    oauth inherits none of these three; one that sets preset inherits no server; one
    with another protocol inherits no key that only one of the two has (folders, after_success and the like); one with
    protocol = "deliver" inherits no server and no login.
    """


def share(merged: Layer) -> tuple[dict[Where, Where], list[tuple[Where, str]]]:
    """Given the merged values, add to each mailbox what `[mailbox_defaults]` sets and the mailbox leaves out.

    Return for each added value its place in `[mailbox_defaults]`, and path and text of each problem.
    """
    shared = merged.data.pop(TABLE, None)
    boxes = merged.data.get("mailboxes")
    if shared is None:
        return {}, []
    if not isinstance(shared, dict):
        return {}, [((TABLE,), "must be a table")]
    problems: list[tuple[Where, str]] = [
        ((TABLE, name), "differs per mailbox: move it to [mailboxes.NAME]") for name in OWN if name in shared
    ]
    shared = {name: value for name, value in shared.items() if name not in OWN}
    homes: dict[Where, Where] = {}
    for name, box in boxes.items() if isinstance(boxes, Mapping) else ():
        if isinstance(box, dict):
            for path in list(_added(box, shared, _kept_out(box, shared))):
                homes["mailboxes", name, *path] = (TABLE, *path)
    merged.origins.update({
        (*place, *key_path[len(home) :]): origin
        for place, home in homes.items()
        for key_path, origin in list(merged.origins.items())
        if key_path[: len(home)] == home
    })  # fmt: skip
    return homes, problems


def _kept_out(box: Mapping[str, Any], shared: Mapping[str, Any]) -> frozenset[str]:
    """Given a mailbox and the defaults, return the keys that it does not inherit because it sets related ones."""
    out: frozenset[str] = frozenset()
    if box.get("protocol", shared.get("protocol")) == "deliver":
        out |= _OF_A_SERVER
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
    """Add defaults to a table that does not set them. Yield the path of each added value or table."""
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
