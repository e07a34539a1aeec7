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
    is_readable = store.raw.elsewhere is not None
    todo = " ([store] raw_storage): " if is_readable else ": set [store] raw_dir to the folder that has them, and then "
    words = f"{count} are not in {place}{todo}move them: redmine-mailbridge raw-messages move"
    yield Check("store: raw messages", None if is_readable else False, words)
