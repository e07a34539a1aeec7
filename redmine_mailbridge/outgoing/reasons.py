"""The reason of a rejection, or of a reply that is withheld from the customer, as the writer reads it: no login,
project, setting or rule. Pure.

What operators read is `Plan.reason`; the two never mix.
"""

from collections.abc import Mapping

REASONS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "replies_only": "This address only accepts replies to our own messages.",
        "unknown_sender": "This address only accepts messages from people we know.",
        "not_allowed": "Your address may not add messages here.",
        "place": "The place that it is meant for does not accept messages.",
        "unproven": "Nothing proves that you wrote it: the receiving mail server did not authenticate the sender.",
        "trust": "Replies by mail are not sent to customers here.",
        "no_access": "It could not be added in your name.",
        "others_text": "It has no text of its own, or it forwards another message.",
        "not_accepted": "This address does not accept messages of this kind.",
    },
    "de": {
        "replies_only": "Diese Adresse nimmt nur Antworten auf unsere eigenen Nachrichten an.",
        "unknown_sender": "Diese Adresse nimmt nur Nachrichten von Personen an, die wir kennen.",
        "not_allowed": "Von Ihrer Adresse aus kann hier nichts hinzugefügt werden.",
        "place": "Dort, wofür sie bestimmt ist, nehmen wir keine Nachrichten an.",
        "unproven": "Es ist nicht belegt, dass sie von Ihnen ist: Der Mailserver hat den Absender nicht bestätigt.",
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
