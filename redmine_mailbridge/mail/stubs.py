"""Text parts that say only "look at the HTML"."""

import re

_WORDS = re.compile(
    r"html|viewer|visuali[sz]|anzeig|afficher|mostrar|браузер|browser|navegador|navigateur", re.IGNORECASE
)
_HINT = re.compile(
    r"(does|do|can|could|kann|konnte|unterst|supporte?|compatible|soporta|suporta|ondersteun|obsługuj|wspier"
    r"|podporuj|поддерж|підтрим|stöd|støtte|understøtter|tue|destek|υποστηρίζ|不支持|不支援|サポート|対応"
    r"|지원|يدعم|תומך|enable|view|read|display|see|open|multi-?part|MIME)",
    re.IGNORECASE,
)
_LIMIT = 600


def is_stub(text: str) -> bool:
    """Given the text half of an alternative, say whether it only points to the HTML half. Short text only."""
    short = text.strip()
    if len(short) > _LIMIT or not short:
        return not short
    lines = [line for line in short.splitlines() if line.strip()]
    if len(lines) > 5:
        return False
    return bool("html" in short.lower() and _HINT.search(short) and _WORDS.search(short))
