"""The senders that a person has blocked or allowed: the list, with who did it and when; add, remove."""

from starlette.responses import Response

from redmine_mailbridge.model.sender_list import SenderListing
from redmine_mailbridge.tasks.receive.sender_decisions import decide_senders
from redmine_mailbridge.web.request import PageRequest


def show(call: PageRequest) -> Response:
    """The list, and beside it what the settings block and allow."""
    settings = [
        (name, box.senders.block, box.senders.allow)
        for name, box in call.context.settings.mailboxes.items()
        if box.senders.block or box.senders.allow
    ]
    return call.render(
        "senders.html",
        title=call.words("Senders"),
        entries=call.context.senders.all(),
        settings=settings,
        typed_sender=call.query("sender"),
    )


def decide(call: PageRequest) -> Response:
    """Block or allow a sender, or remove an entry."""
    typed, word = call.typed("sender"), call.typed("decision")
    if not typed:
        return call.back(call.words("Enter an address or a domain."), "/senders")
    if word != "remove" and word not in set(SenderListing):
        return call.back("", "/senders")
    listing = None if word == "remove" else SenderListing(word)
    (result,) = decide_senders(call.context.senders, [typed], listing, by=call.who)
    if result.ok:
        call.audit(f"{word} sender", result.pattern)
    return call.back(f"{result.pattern}: {call.words(result.words)}", "/senders")
