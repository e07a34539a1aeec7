"""Are the raw messages where the settings say?"""

from collections.abc import Iterator

from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.raw_mails.move import misplaced


def raw_message_checks(store: Store) -> Iterator[Check]:
    """Given the store, yield a result if raw messages are not where `store.raw_storage` says: a warning if they can be
    read from the other place.
    """
    count = misplaced(store)
    if not count:
        return
    place = "the database" if store.raw.in_database else f"the folder {store.raw.root}"
    if store.raw.elsewhere is None:
        words = f"{count} are not in {place}: set [store] raw_dir to the folder that has them, and then move them: "
    else:
        words = f"{count} are not in {place} ([store] raw_storage): move them: "
    readable = None if store.raw.elsewhere is not None else False
    yield Check("store: raw messages", readable, f"{words}redmine-mailbridge raw-messages move")
