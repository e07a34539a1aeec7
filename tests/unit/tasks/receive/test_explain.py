"""What would be done with a mail, and why, without a Redmine that is asked and without a trace."""

from redmine_mailbridge.model.mail import ReadingOptions
from redmine_mailbridge.model.plan import Action
from redmine_mailbridge.policy.own_addresses import MailboxIdentity
from redmine_mailbridge.settings.issue import Route
from redmine_mailbridge.tasks.receive.explain import explain
from redmine_mailbridge.tasks.receive.planner import MailboxContext, Planner
from tests.product import mail

ADDRESSES = {"support@example.com": "support", "sales@example.com": "sales"}


def route(project: str, *rules: dict[str, str]) -> Route:
    return Route.model_validate({"issue": {"project": project}, "rules": rules})


def test_a_mail_is_explained_by_the_settings_of_the_mailbox_that_it_is_for() -> None:
    """The message, its plan, and the plan in lines."""
    routes = {"support": route("desk"), "sales": route("shop", {"name": "all", "action": "hold"})}
    contexts = {
        name: MailboxContext(MailboxIdentity(name, f"{name}@example.com", ADDRESSES, routes), one, ReadingOptions())
        for name, one in routes.items()
    }
    planner = Planner(contexts, None, None)
    found = explain(planner, mail("Printer", to="support@example.com"), "support")
    assert ("Printer", Action.CREATE, "desk") == (found.message.subject, found.plan.action, found.plan.project)
    assert any("desk" in line for line in found.lines)
    assert not found.message.truncated
    held = explain(planner, mail("Printer", to="sales@example.com"), "sales")
    assert Action.HOLD is held.plan.action
    assert any("hold" in line for line in held.lines)
