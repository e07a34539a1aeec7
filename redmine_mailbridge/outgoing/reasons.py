"""Why a mail was refused, as its writer is told: without a login, a project, a setting or a rule. Pure.

What operators read is `Plan.reason`; the two never mix.
"""

from collections.abc import Mapping

REASONS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "replies_only": "this address takes only answers to mails of ours",
        "unknown_sender": "this address takes mail only from people whom we know",
        "not_allowed": "mail from your address cannot be added to this",
        "place": "what it asks for does not take mail",
        "not_accepted": "it is not among what this address takes",
    },
    "de": {
        "replies_only": "diese Adresse nimmt nur Antworten auf unsere Mails an",
        "unknown_sender": "diese Adresse nimmt nur Mails von Personen an, die wir kennen",
        "not_allowed": "Mails von Ihrer Adresse können hier nicht hinzugefügt werden",
        "place": "wofür sie bestimmt ist, nimmt keine Mails an",
        "not_accepted": "sie gehört nicht zu dem, was diese Adresse annimmt",
    },
}
"""By language, then by what `model.plan.Told` says."""


def reason(told: str, language: str) -> str:
    """Given what is to be told ("" for nothing) and a language, return the words for it; in English where there are
    none in that language.
    """
    if not told:
        return ""
    words = REASONS.get(language) or REASONS.get(language.partition("-")[0]) or REASONS["en"]
    return words.get(told, words["not_accepted"])
