"""Wires what reads mails and decides about them: how each mailbox reads, whom it knows, where its mail goes."""

from collections.abc import Callable

from redmine_mailbridge.mail.message_ids import Signer
from redmine_mailbridge.mail.mime.address_syntax import spellings
from redmine_mailbridge.policy.own_addresses import MailboxIdentity
from redmine_mailbridge.redmine.facts import FactFinder
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.who_mails import auto_replies
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.planner import MailboxContext, Planner
from redmine_mailbridge.wiring.store import message_queries, sender_list


def contexts(settings: Settings, secret: Callable[[str], str]) -> dict[str, MailboxContext]:
    """How each mailbox reads its mail and what becomes of it, the active ones first; `secret` gives the store's own
    random values. An inactive one is not a neighbour of the others: only what it has read before is finished.
    """
    boxes = settings.active_mailboxes
    resting = {name: box for name, box in settings.mailboxes.items() if not box.active}
    addresses = {
        spelling: name
        for name, box in boxes.items()
        for address in (box.address, *box.aliases)
        for spelling in spellings(address)
    }
    routes = {
        name: box.route for name, box in settings.mailboxes.items()
    }  # one that rests still has a say in its issues
    instance = secret("instance")
    signer = Signer(secret("signing-key").encode(), instance)
    forwards = any(box.issue.forwarded == "original" for box in boxes.values())
    own_addresses, fields = settings.own_addresses, own_fields(settings)
    return {
        name: MailboxContext(
            identity=MailboxIdentity(
                name=name,
                address=box.address,
                addresses=addresses,
                routes=routes | {name: box.route},
                redmine_addresses=spellings(settings.redmine.mail_from) if settings.redmine.mail_from else frozenset(),
                signer=signer,
                text_format=settings.redmine.markup,
                own_fields=fields,
                auto_replies=auto_replies(box, settings.outgoing),
            ),
            route=box.route,
            options=box.reading.options(
                settings.redmine.markup,
                own_addresses=own_addresses,
                loop_value=instance,
                reply_marker_line=box.answers.reply_marker_line,
                forwards=forwards,
            ),
        )
        for name, box in (boxes | resting).items()
    }


def own_fields(settings: Settings) -> frozenset[str]:
    """The custom fields that the bridge itself fills, by name (casefold) or id."""
    names = (settings.redmine.marker_field, *settings.aggregate.issue_fields.values())
    routes = (box.route.own_fields for box in settings.mailboxes.values())
    return frozenset(name.casefold() for name in names if name).union(*routes)


def planner(settings: Settings, store: Store | None, facts: FactFinder | None) -> Planner:
    """What reads mails and decides about them: with what the store (None: there is none yet) and Redmine (None: it is
    not asked) know.
    """
    if store is None:
        return Planner(contexts(settings, _no_secret), None, facts)
    return Planner(contexts(settings, store.secret), message_queries(store), facts, sender_list(store))


def _no_secret(name: str) -> str:
    """A value that signed no mail of this bridge."""
    return f"no-{name}".ljust(32, "-")
