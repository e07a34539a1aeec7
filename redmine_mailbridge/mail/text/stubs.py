"""Text parts that say only "look at the HTML"."""

import html
import re

_SHOWN_BY = re.compile(
    r"html|rich[ -]?text|browser|viewer|navegador|navigateur|navigatore|браузер|prohlíž|przegląd|webbläsar|nettleser"
    r"|selaime|selain\b|tarayıcı|περιήγησης|φυλλομετρητ|浏览器|瀏覽器|ブラウザ|브라우저|متصفح|דפדפן|mime|multi-?part",
    re.IGNORECASE,
)
_ABLE = re.compile(
    r"support|show|does|do not|doesn|can ?not|can't|unable|view|display|read|see\b|open|enable|format|version"
    r"|kann|können|konnte|unterstütz|anzeig|angezeigt|darstell|lesen|sehen|öffnen|ansicht"
    r"|prend pas|affich|lire|visuali[sz]|voir|compatible|pris en charge"
    r"|puede|soporta|admite|mostrar|ver |leer|suporta|pode|exibir|ler |permite"
    r"|può|leggere|vedere|ondersteun|weergeven|bekijk|lezen|obsługuj|wspier|wyświetl|odczyt|zobacz"
    r"|podporuj|zobraz|přečíst|podporova|поддерж|отобра|просмотр|прочита|читат|підтрим|відобра|перегля"
    r"|stöd|visa|läsa|öppna|støtte|understøtt|vise|vis |læse|lese|åpne|åbn|tue |näyttä|lukea|katso|avaa"
    r"|destek|görüntüle|okumak|açın|υποστηρίζ|εμφαν|προβολ|διαβάσ|不支持|不支援|无法|無法|查看|檢視|显示|顯示"
    r"|サポート|対応|表示|ご覧|개봉|지원|보기|표시|확인|볼 수|يدعم|عرض|قراءة|תומך|תומכת|להציג|לצפות|לקרוא",
    re.IGNORECASE,
)
_TAG = re.compile(r"<[^<>]{0,2000}>")
_LINK = re.compile(r"https?://\S{1,2000}")
_SIGNS = re.compile(r"[\W_]+")
_LIMIT = 600
_MOST_LINES = 6


def is_stub(text: str, rich: str = "") -> bool:
    """Given the text half of an alternative and the HTML half, say whether the first only points to the second.

    By three signs together: it is short, it speaks of HTML or a browser and of being able to see, and none of its
    lines is in the HTML, as the lines of a real answer do. Linear in the length of both.
    """
    short = text.strip()
    if len(short) > _LIMIT or not short:
        return not short
    lines = [line for line in short.splitlines() if line.strip()]
    if len(lines) > _MOST_LINES or not (_SHOWN_BY.search(short) and _ABLE.search(short)):
        return False
    html_letters = _letters(html.unescape(_TAG.sub("", rich)))
    line_letters = [_letters(_LINK.sub("", line)) for line in lines]
    return not any(line in html_letters for line in line_letters if line)


def _letters(text: str) -> str:
    """Only what is letter or digit, without regard to case."""
    return _SIGNS.sub("", text).casefold()
