"""What agents are to be told on issues."""

from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.notices import NewNotice, Notices, notify
from tests.clocks import Clock
from tests.unit.store.kept import keep, lines


def test_a_notice_is_told_once_one_of_each_issue_in_turn(store: Store) -> None:
    clock = Clock()
    notices, mail_id = Notices(store.database, clock), keep(store, 1)
    with store.database.write() as db:
        notify(db, 7, mail_id, [NewNotice("a", "first"), NewNotice("b", "second")], 5.0)
        notify(db, 8, None, [NewNotice("a", "other")], 6.0)
        notify(db, 7, mail_id, [NewNotice("a", "again")], 7.0)
    first, other, second = notices.unreported()
    assert ["first", "other", "second"] == [first.text, other.text, second.text]
    assert (7, mail_id, 5.0, 8, None) == (first.issue, first.mail_id, first.created_at, other.issue, other.mail_id)
    assert [first, other] == notices.unreported(limit=2)
    before = lines(store, mail_id)
    notices.mark_reported(first)
    assert before == lines(store, mail_id)
    notices.mark_reported(second, "told on #7")
    assert [*before, "told on #7"] == lines(store, mail_id)
    assert [other] == notices.unreported()
