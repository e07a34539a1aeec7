"""What a plain mail costs, as far as it does not depend on the machine: statements to the database."""

import sqlalchemy as sa

from tests.product import mail
from tests.unit.tasks.fake_redmine import FakeRedmine


def statements(fake: FakeRedmine, name: str, count: int) -> int:
    """Given how many new mails there are, return how many statements one pass over them executes, a BEGIN included."""
    for number in range(count):
        fake.server.append(mail(f"{name} {number}"))
    executed: list[str] = []
    with fake.application() as made:
        engine = made.store.database.engine
        sa.event.listen(engine, "before_cursor_execute", lambda *given: executed.append(given[2]))
        sa.event.listen(engine, "begin", lambda _connection: executed.append("BEGIN"))
        made.receivers[0].once()
    assert count == sum(issue["subject"].startswith(name) for issue in fake.issues)
    return len(executed)


def test_statements_for_a_plain_mail(fake: FakeRedmine) -> None:
    """A plain new mail costs at most twelve statements: its copies looked for, its intent, its end; what is read and
    filed together is one for all.
    """
    statements(fake, "first", 1)
    few, many = statements(fake, "few", 5), statements(fake, "many", 25)
    assert (many - few) / 20 <= 12
