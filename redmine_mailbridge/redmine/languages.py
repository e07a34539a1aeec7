"""Which language a user reads Redmine in. The REST API does not tell it, but it says there in that language what is
wrong with a request: so one is made, as the user, that can never be carried out, to give oneself an empty first name.
"""

from collections.abc import Iterable, Mapping

EMPTY_NAME = {"user": {"firstname": ""}}
"""What nobody can be called: Redmine refuses it whatever else is set."""

_NAME_BLANK: Mapping[str, tuple[str, str]] = {
    "en": ("First name", "cannot be blank"),
    "de": ("Vorname", "muss ausgefüllt werden"),
    "fr": ("Prénom", "doit être renseigné(e)"),
    "es": ("Nombre", "no puede estar en blanco"),
    "pt": ("Nome", "não pode estar em branco"),
    "pt-br": ("Nome", "não pode ficar vazio"),
    "it": ("Nome", "non può essere lasciato in bianco"),
    "nl": ("Voornaam", "mag niet blanco zijn"),
    "pl": ("Imię", "nie może być puste"),
    "cs": ("Jméno", "nemůže být prázdný"),
    "sk": ("Meno", "nemôže byť prázdne"),
    "ru": ("Имя", "не может быть пустым"),
    "uk": ("Ім'я", "не може бути незаповненим"),
    "sv": ("Förnamn", "måste anges"),
    "da": ("Fornavn", "skal udfyldes"),
    "no": ("Fornavn", "kan ikke være blank"),
    "fi": ("Etunimi", "ei voi olla sisällötön"),
    "tr": ("Ad", "doldurulmalı"),
    "hu": ("Keresztnév", "nincs megadva"),
    "el": ("Όνομα", "δε μπορεί να είναι κενό"),
    "ja": ("名", "を入力してください"),
    "zh": ("名字", "不能为空字符"),
    "zh-tw": ("名字", "不能是空白字元"),
    "ko": ("이름", "은 빈 값이어서는 안 됩니다"),
}


def language_of(messages: Iterable[str]) -> str:
    """Given Redmine's messages about an empty first name, return their language ("pt-br"); "" when not known here.

    The name of the field and the rest must both fit; some languages share one of them. Where a version of Redmine
    words the rest otherwise, a name of the field that only one language has is enough.
    """
    for message in messages:
        named = [language for language, (name, _) in _NAME_BLANK.items() if message.startswith(name)]
        exact = [language for language in named if message.endswith(_NAME_BLANK[language][1])]
        alone = [language for language in named if message.startswith(f"{_NAME_BLANK[language][0]} ")]
        found = exact or alone
        if len(found) == 1:
            return found[0]
    return ""
