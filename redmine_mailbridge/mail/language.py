"""The language of a mail, by its Content-Language field (RFC 3282) and by the function words of its text. Pure.

Function words ("the", "und", "pour") make up half of any text and differ between languages, so counting them needs no
model and no dependency: the libraries that do better on single words bring 70 MB of models or numpy, or are no longer
maintained. A text that says too little gives no language rather than a guess. Languages without templates are counted
as well, so that French is not taken for English.

Content-Language is what the sender's program is set to. It decides, unless the text is plainly in another language:
many people write their own language with a program that is set to English.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache

from redmine_mailbridge.model.mail import Message

_NEEDED = 3
"""How many different function words a text must hold of its language."""
_LEAD = 2
"""How many more than of any other."""
_OUTWEIGHS = 8
"""How many more than of the languages that Content-Language names, for the text to count instead."""
_LONGEST_TEXT = 4000
"""Characters of the text that are looked at."""
_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8}){0,3}")
_WORD = re.compile(r"[^\W\d_]+")

_WORDS: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "de": "der die das und ist nicht ich sie wir mit für auf ein eine einen einem einer dem den des zu zum zur im "
        "von bei nach auch wird werden wurde haben habe hat kann können noch nur mehr wie wenn aber oder als bitte "
        "danke hallo guten ihre ihren ihr mein meine meinem meiner meinen unser unsere unserer unseren uns mir "
        "mich seit schon sich es er dass grüße freundlichen geehrte leider gerne vielen dank um aus "
        "über sind war soll keine kein",
        "en": "the and is are was not you we with for this that of to it have has had can could please thanks thank "
        "hello hi dear my our your from when what which there would will been but or if at be by they their do does "
        "did how any some since still regards i am get got no as an us me all out after before into about",
        "fr": "le la les et est pas je vous nous avec pour une des du dans que qui ne sur ce cette ces mon ma mes "
        "notre nos votre vos bonjour merci être avoir suis sont mais ou où plus très bien fait faire peut depuis "
        "cordialement au aux il elle ils par si comme tout",
        "es": "el la los las y es no con para una que del se por su sus mi mis nuestro nuestra hola gracias favor "
        "pero muy está están tengo tiene hemos cuando desde como más también saludos buenos buenas días hay ya al lo "
        "le me nos este esta puede puedo usted ser",
        "it": "il lo gli e è non con per una che di del della dei delle sono ho ha hanno abbiamo mio mia nostro "
        "nostra vostro grazie buongiorno salve cordiali saluti ma anche più come quando da dal al alla nel nella si "
        "ci vi questo questa essere può potete",
        "pt": "o os as e é não com para uma que do da dos das no na em por se seu sua meu minha nosso nossa "
        "obrigado obrigada olá bom dia mas muito está estão tenho temos quando desde como mais também cumprimentos "
        "atenciosamente ao pelo pela este esta você ser",
        "nl": "de het een en is niet ik wij we u met voor op van dat die dit te aan om bij naar ook wordt worden "
        "hebben heb heeft kan kunnen nog maar of als wel geen mijn onze ons uw graag bedankt hallo beste groeten "
        "vriendelijke alvast zijn er uit over",
        "sv": "och att det är en ett inte jag vi ni med för på av som till den de har hade kan om men eller när var "
        "från hej tack vänliga hälsningar min mitt vår vårt så också bara mycket finns vill ska skulle över",
        "da": "og at det er en et ikke jeg vi med for på af som til den de har havde kan om men eller når var fra "
        "hej tak venlig hilsen min mit vores så også kun meget vil skal over hvad hvordan bliver nogle",
        "nb": "og at det er en et ikke jeg vi med for på av som til den de har hadde kan om men eller når var fra "
        "hei takk vennlig hilsen min mitt vår vårt så også bare mye vil skal over hva hvordan blir noen",
        "fi": "ja on ei se että en ole olen mutta tai kun jos myös kanssa voi hei kiitos terveisin meidän minun "
        "tämä joka niin vain nyt ovat oli sitä mitä miten",
        "pl": "i w z na nie jest się do że to po za od dla jak ale czy o przez mam mamy proszę dziękuję dzień dobry "
        "pozdrawiam witam są był była może już tylko oraz lub ze mi nas nasz",
        "cs": "a v na se je že z do pro s od po jak ale nebo za by jsem jsme jsou mám máme prosím děkuji děkujeme "
        "dobrý den pozdravem není už také který která když si mi nám naše",
        "sk": "a v na sa je že z do pre s od po ako ale alebo za by som sme sú mám máme prosím ďakujem dobrý deň "
        "pozdravom nie už tiež ktorý ktorá keď si mi nám naše",
        "hu": "a az és hogy nem is egy van ez meg csak már de ha vagy mert kérem köszönöm tisztelt üdvözlettel "
        "jó napot volt lehet sem nagyon kell minden nekem",
        "ro": "și nu de la cu pe în este sunt care un o din pentru mai dar sau când am are avem vă rog mulțumesc "
        "bună ziua stimate ca să fi al ale această acest",
        "tr": "ve bir bu için ile de da çok ama değil var yok ne gibi daha merhaba teşekkürler teşekkür ederim lütfen "
        "sayın iyi günler olarak kadar sonra bize bana ben biz",
    }.items()
}
_SCRIPTS = (
    ("ja", r"[\u3040-\u30ff]"),
    ("ko", r"[\uac00-\ud7a3]"),
    ("zh", r"[\u4e00-\u9fff]"),
    ("uk", r"[іїєґІЇЄҐ]"),
    ("ru", r"[\u0400-\u04ff]"),
    ("el", r"[\u0370-\u03ff]"),
    ("he", r"[\u0590-\u05ff]"),
    ("ar", r"[\u0600-\u06ff]"),
    ("th", r"[\u0e00-\u0e7f]"),
)
"""Languages that their letters tell, the one with the fewest letters of its own first."""
_OF_A_SCRIPT = r"[\u0370-\u06ff\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]"


def language_of(message: Message) -> str:
    """Given a mail, return the language that it is written in, as a tag (RFC 5646) such as "de" or "pt-BR"; "" when
    it is not clear.
    """
    written = message.body.written or message.body.whole
    return language_of_text(f"{message.subject[:_LONGEST_TEXT]}\n{written[:_LONGEST_TEXT]}", declared(message))


def declared(message: Message) -> tuple[str, ...]:
    """Given a mail, return the languages that its Content-Language names, each once."""
    field = message.header("content-language")[:200]
    tags = (tag.strip() for tag in field.split(","))
    return tuple(dict.fromkeys(tag for tag in tags if _TAG.fullmatch(tag)))


def language_of_text(text: str, declared_tags: Iterable[str] = ()) -> str:
    """Given a text and the languages that its mail names, return its language; "" when it is not clear."""
    tags, votes = list(declared_tags), _votes(text)
    best, second, *_ = [*sorted(votes.items(), key=lambda pair: -pair[1]), ("", 0), ("", 0)]
    if tags:
        of_declared = max(votes.get(_primary(tag), 0) for tag in tags)
        if best[1] - of_declared < _OUTWEIGHS:
            return max(tags, key=lambda tag: votes.get(_primary(tag), 0))
    return best[0] if best[1] >= _NEEDED and best[1] - second[1] >= _LEAD else ""


def _votes(text: str) -> dict[str, int]:
    """How many different function words of each language the text holds; a script of its own counts by its letters."""
    words = {word.lower() for word in _WORD.findall(text)}
    foreign = "".join(_compiled(_OF_A_SCRIPT).findall(text))
    if len(foreign) * 2 > sum(map(len, _WORD.findall(text))):
        return {next(language for language, script in _SCRIPTS if _compiled(script).search(foreign)): len(foreign)}
    return {language: count for language, language_words in _WORDS.items() if (count := len(words & language_words))}


@cache
def _compiled(script: str) -> re.Pattern[str]:
    """A pattern of letters, compiled when the first mail is read: sets as large as these take milliseconds."""
    return re.compile(script)


def _primary(tag: str) -> str:
    language = tag.partition("-")[0].lower()
    return "nb" if language in ("no", "nn") else language
