"""Which language a user reads Redmine in. The REST API does not tell it, but it says there in that language what is
wrong with a request: so one is made, as the user, that can never be carried out, to give oneself an empty first name.
"""

from collections.abc import Iterable, Mapping

EMPTY_NAME = {"user": {"firstname": ""}}
"""What nobody can be called: Redmine refuses it whatever else is set."""

_NAME_BLANK: Mapping[str, tuple[str, str]] = {
    "en": ("First name", "cannot be blank"),
    "ar": ("الاسم الاول", "لا يمكن ان تكون فارغة"),
    "az": ("Ad", "boş saxlanıla bilməz"),
    "bg": ("Име", "не може да е празно"),
    "bs": ("Ime", "ne može biti znak razmaka"),
    "ca": ("Nom", "no pot estar en blanc"),
    "cs": ("Jméno", "nemůže být prázdný"),
    "da": ("Fornavn", "skal udfyldes"),
    "de": ("Vorname", "muss ausgefüllt werden"),
    "el": ("Όνομα", "δε μπορεί να είναι κενό"),
    "es": ("Nombre", "no puede estar en blanco"),
    "et": ("Eesnimi", "ei või olla täitmata"),
    "eu": ("Izena", "ezin da hutsik egon"),
    "fa": ("نام کوچک", "نمی\u200cتواند تهی باشد"),
    "fi": ("Etunimi", "ei voi olla sisällötön"),
    "fr": ("Prénom", "doit être renseigné(e)"),
    "gl": ("Nome", "non pode estar en branco"),
    "he": ("שם פרטי", "חייב להכלל"),
    "hr": ("Ime", "ne može biti razmaka"),
    "hu": ("Keresztnév", "nincs megadva"),
    "id": ("Nama depan", "tidak boleh kosong"),
    "it": ("Nome", "non può essere lasciato in bianco"),
    "ja": ("名", "を入力してください"),
    "ko": ("이름", "은 빈 값이어서는 안 됩니다"),
    "lt": ("Vardas", "negali būti tuščias"),
    "lv": ("Vārds", "nevar būt neaizpildīts"),
    "mk": ("Име", "неможе да е празно"),
    "mn": ("Таны нэр", "бланк байж болохгүй"),
    "nl": ("Voornaam", "mag niet blanco zijn"),
    "no": ("Fornavn", "kan ikke være blank"),
    "pl": ("Imię", "nie może być puste"),
    "pt": ("Nome", "não pode estar em branco"),
    "pt-br": ("Nome", "não pode ficar vazio"),
    "ro": ("Prenume", "nu poate fi gol"),
    "ru": ("Имя", "не может быть пустым"),
    "sk": ("Meno", "nemôže byť prázdne"),
    "sl": ("Ime", "ne sme biti neizpolnjen"),
    "sq": ("Emër", "s’mund të jetë hiç"),
    "sr": ("Име", "не може бити празно"),
    "sr-yu": ("Ime", "ne može biti prazno"),
    "sv": ("Förnamn", "måste anges"),
    "ta-in": ("முதல் பெயர்", "காலியாக இருக்க முடியாது"),
    "th": ("ชื่อ", "ต้องเติม"),
    "tr": ("Ad", "doldurulmalı"),
    "uk": ("Ім'я", "не може бути незаповненим"),
    "vi": ("Tên đệm và Tên", "không thể để trắng"),
    "zh": ("名字", "不能为空字符"),
    "zh-tw": ("名字", "不能是空白字元"),
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
