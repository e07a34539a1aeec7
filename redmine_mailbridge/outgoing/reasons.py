"""Reasons as people read them, in their language: why a message was rejected or a reply withheld from the customer,
without login, project, setting or rule; and why a time-based rule is due. Pure.

What operators read is `Plan.reason`; the two never mix.
"""

import re
from collections.abc import Mapping

REASONS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "replies_only": "This address only accepts replies to our own messages.",
        "unknown_sender": "This address only accepts messages from people we know.",
        "not_allowed": "Your address may not add messages here.",
        "place": "It was meant for an area that does not accept messages.",
        "unproven": "Nothing proves that you wrote it: the receiving mail server did not authenticate the sender.",
        "trust": "Replies by mail are not sent to customers here.",
        "no_access": "It could not be added in your name.",
        "others_text": "It contains no text of its own, or forwards another message.",
        "not_accepted": "This address does not accept messages of this kind.",
    },
    "de": {
        "replies_only": "Diese Adresse nimmt nur Antworten auf unsere eigenen Nachrichten an.",
        "unknown_sender": "Diese Adresse nimmt nur Nachrichten von Personen an, die wir kennen.",
        "not_allowed": "Von Ihrer Adresse aus kann hier nichts hinzugefügt werden.",
        "place": "Sie ist für einen Bereich bestimmt, der keine Nachrichten annimmt.",
        "unproven": "Es ist nicht belegt, dass sie von Ihnen stammt: Der Mailserver hat den Absender nicht bestätigt.",
        "trust": "Antworten per E-Mail werden hier nicht an Kunden gesendet.",
        "no_access": "Sie konnte nicht in Ihrem Namen hinzugefügt werden.",
        "others_text": "Sie enthält keinen eigenen Text oder leitet eine andere Nachricht weiter.",
        "not_accepted": "Nachrichten dieser Art nimmt diese Adresse nicht an.",
    },
}
"""By language, then by what `model.plan.RejectionReason` and `NotMailed` say."""


def reason(rejection: str, language: str) -> str:
    """Given a rejection reason ("" for none) and a language, return a sentence that states it ("" for none), in English
    if that language has no texts.
    """
    if not rejection:
        return ""
    words = REASONS.get(language) or REASONS.get(language.partition("-")[0]) or REASONS["en"]
    return words.get(rejection, words["not_accepted"])


_OF_RULES = {
    "no first answer for {}": "seit {} keine erste Antwort",
    "no word from the customer for {}": "seit {} keine Nachricht vom Kunden",
    "no word from an agent for {}": "seit {} keine Nachricht eines Bearbeiters",
    "no word for {}": "seit {} keine Nachricht",
    "in this status for {}": "seit {} in diesem Status",
    "created {} ago": "vor {} angelegt",
}
"""In German, what `policy.time_rules.due.SAID` says in English."""
_UNITS = {
    "day": "Tag", "days": "Tagen", "hour": "Stunde", "hours": "Stunden", "minute": "Minute", "minutes": "Minuten",
    "second": "Sekunde", "seconds": "Sekunden", "business hour": "Geschäftsstunde",
    "business hours": "Geschäftsstunden", "business minute": "Geschäftsminute",
    "business minutes": "Geschäftsminuten", "business second": "Geschäftssekunde",
    "business seconds": "Geschäftssekunden",
}  # fmt: skip
_SPAN = re.compile(r"([0-9]{1,15}) ((?:business )?[a-z]{3,7})")


class RuleReason(str):
    """Why a time-based rule is due, in English; a template writes it in the language of its mail."""

    __slots__ = ()

    def in_language(self, language: str) -> str:
        """The reason in a language; in English where there are no words for it."""
        if language.partition("-")[0].lower() != "de":
            return str(self)
        return " und ".join(map(_in_german, self.split(" and ")))


def _in_german(part: str) -> str:
    """One condition of a rule in German; as it is if it is another."""
    span = _SPAN.search(part)
    known = _OF_RULES.get(_SPAN.sub("{}", part)) if span is not None else None
    unit = _UNITS.get(span[2]) if span is not None else None
    return part if span is None or known is None or unit is None else known.format(f"{span[1]} {unit}")
