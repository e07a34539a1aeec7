"""The language of a mail: what its program is set to, and what its words are."""

import pytest

from redmine_mailbridge.mail.parse import parse
from redmine_mailbridge.model.mail import ReadingOptions

SHORT = {
    "de": "Guten Tag,\n\nunser Drucker im Büro druckt seit heute nicht mehr. Können Sie uns helfen?\n\nViele Grüße",
    "en": "Hello,\n\nour printer has not been working since this morning. Could you help us, please?\n\nKind regards",
    "fr": "Bonjour,\n\nnotre imprimante ne marche plus depuis ce matin. Pouvez-vous nous aider ?\n\nCordialement",
    "es": "Hola:\n\nnuestra impresora no funciona desde esta mañana. ¿Nos puede ayudar, por favor?\n\nSaludos",
    "it": "Buongiorno,\n\nla nostra stampante non funziona più da questa mattina. Ci può aiutare?\n\nCordiali saluti",
    "pt": "Bom dia,\n\na nossa impressora não funciona desde hoje de manhã. Podem ajudar? Obrigado",
    "nl": "Hallo,\n\nonze printer doet het sinds vanmorgen niet meer. Kunt u ons helpen?\n\nMet vriendelijke groeten",
    "sv": "Hej!\n\nVår skrivare fungerar inte sedan i morse. Kan ni hjälpa oss?\n\nMed vänliga hälsningar",
    "pl": "Dzień dobry,\n\nnasza drukarka nie działa od dzisiaj rano. Czy mogą Państwo nam pomóc?\n\nPozdrawiam",
    "cs": "Dobrý den,\n\nnaše tiskárna od rána nefunguje. Můžete nám prosím pomoci?\n\nS pozdravem",
    "hu": "Tisztelt Ügyfélszolgálat!\n\nA nyomtatónk reggel óta nem működik. Kérem, segítsenek.\n\nÜdvözlettel",
    "tr": "Merhaba,\n\nyazıcımız bu sabahtan beri çalışmıyor, bize yardım eder misiniz lütfen?\n\nTeşekkürler",
    "ru": "Здравствуйте! Наш принтер не работает с утра. Помогите, пожалуйста.",
    "uk": "Доброго дня! Наш принтер не працює з ранку. Допоможіть, будь ласка, це терміново, її треба здати.",
    "ja": "プリンターが動きません。助けてください。",
    "zh": "打印机今天早上坏了,请帮忙看一下。",
    "ko": "프린터가 작동하지 않습니다. 도와주세요.",
    "el": "Καλημέρα, ο εκτυπωτής μας δεν λειτουργεί από το πρωί.",
    "ar": "مرحبا، الطابعة لا تعمل منذ الصباح.",
}


def language(text: str, subject: str = "", **headers: str) -> str:
    """The language that is read off a mail."""
    from redmine_mailbridge.mail.language import language_of

    fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    raw = (
        f"From: kim@client.example\r\nTo: desk@example.com\r\nMessage-ID: <1@client.example>\r\n{fields}"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    ).encode()
    raw += f"Subject: {subject}\r\n\r\n".encode() + text.replace("\n", "\r\n").encode()
    return language_of(parse(raw, ReadingOptions()))


@pytest.mark.fault("N7")
@pytest.mark.parametrize("wanted", SHORT)
def test_a_short_mail_in_its_language(wanted: str) -> None:
    """Two sentences are enough to tell the language of a mail, those of languages without templates as well."""
    assert wanted == language(SHORT[wanted])


@pytest.mark.fault("N7")
@pytest.mark.parametrize("text", ["", "Error 0x80070005", "HP LaserJet 4000 offline", "ok", "Kim Client\n+49 30 1234"])
def test_too_little_text_is_no_language(text: str) -> None:
    """A mail that says too little gets no language, rather than a guess."""
    assert "" == language(text)


@pytest.mark.fault("N7")
def test_content_language_decides_over_short_mails() -> None:
    """What the sender's program is set to decides where the text says too little, with its region; the first language
    counts where it names several; what is no language tag does not.
    """
    assert "de" == language("Error 0x80070005", Content_Language="de")
    assert "pt-BR" == language("Error 0x80070005", Content_Language="pt-BR")
    assert "de-AT" == language("Printer offline", Content_Language="de-AT, en-US")
    assert "" == language("Printer offline", Content_Language="../../etc")


@pytest.mark.fault("N7")
def test_content_language_counts_before_the_text() -> None:
    """A sentence in another language does not outweigh Content-Language: here a pasted message of a program."""
    assert "de" == language("The printer is out of paper.", Content_Language="de")


@pytest.mark.fault("N7")
def test_a_text_that_is_plainly_in_another_language_outweighs_content_language() -> None:
    """Who writes German with a program that is set to English is answered in German."""
    text = f"{SHORT['de']}\n\nDie Fehlermeldung steht auf dem Bildschirm, wenn ich es noch einmal von vorn versuche."
    assert "de" == language(text, Content_Language="en-US")


@pytest.mark.fault("N7")
def test_the_subject_counts_and_quoted_text_does_not() -> None:
    """The subject is part of what somebody wrote; the mail that is answered is not."""
    assert "de" == language("Bitte um Rückruf.", "Frage zu meiner Rechnung")
    quoted = "> Could you please tell us what you have been doing when this happened?\n> Thank you for your help"
    assert "de" == language(f"Das ist leider nicht so, bitte melden Sie sich.\n\nAm 1.5.2026 schrieb Anna:\n{quoted}")
