"""Quotes as fewer mail programs mark them, and footers that machines add."""

import pytest

from redmine_mailbridge.mail.parse import read
from redmine_mailbridge.mail.text.quotes import split_reply
from redmine_mailbridge.model.mail import ReadingOptions

QUOTED = "Support <help@firm.example>"


@pytest.mark.fault("R11")
@pytest.mark.parametrize(
    "keys",
    [
        ("Từ", "Đã gửi", "Đến", "Chủ đề"),
        ("Šalje", "Poslano", "Prima", "Predmet"),
        ("De", "Enviat", "Per a", "Tema"),
        ("No", "Nosūtīts", "Kam", "Tēma"),
        ("از", "ارسال", "به", "موضوع"),
    ],
    ids=["vi", "hr", "ca", "lv", "fa"],
)
def test_header_blocks_of_more_languages(keys: tuple[str, ...]) -> None:
    """Outlook's block above a quoted mail is found in Vietnamese, Croatian, Catalan, Latvian and Persian."""
    values = (QUOTED, "26.11.2026 9:12", "Ann <ann@customer.example>", "Login")
    block = "\n".join(f"{key}: {value}" for key, value in zip(keys, values, strict=True))
    assert "Fine, thank you." == split_reply(f"Fine, thank you.\n\n{block}\n\nPlease try it.\n").written


@pytest.mark.fault("R11")
def test_original_message_without_dashes_above_a_header_block() -> None:
    """BlackBerry's "Original Message" and its footer go with the block below them."""
    text = (
        "Yes, go ahead.\n\nSent from my BlackBerry 10 smartphone on the Bell network.\n  Original Message  \n"
        "From: Support\nSent: Friday, September 15, 2017 4:02 PM\nTo: Ann\nSubject: Hello\n\nShall we repair it?\n"
    )
    assert "Yes, go ahead." == split_reply(text).written


@pytest.mark.fault("R13")
def test_a_quote_marked_by_initials() -> None:
    """Lines behind the initials of who wrote them are a quote."""
    assert "Works." == split_reply("Works.\n\nCK> Is the pump fine?\nCK> And the seal?\n").written


@pytest.mark.fault("R13")
def test_a_quote_marked_by_bars() -> None:
    """Lines behind bars are a quote; a table is none."""
    assert "Works." == split_reply("Works.\n\n| Is the pump fine?\n| And the seal?\n").written
    table = "Values:\n| a | b |\n| 1 | 2 |"
    assert table == split_reply(table).written


@pytest.mark.fault("R13")
@pytest.mark.parametrize(
    "footer",
    [
        "__\nstaff mailing list\nhttps://lists.example/listinfo/staff",
        '-- \nYou get this from the group "Support".\nTo unsubscribe send a mail to support+unsubscribe@firm.example.',
    ],
)
def test_what_a_list_adds_below_a_new_mail(footer: str) -> None:
    """The footer of a mailing list is no part of a new mail's text either."""
    raw = f"From: ann@customer.example\r\n\r\nThe printer is broken.\r\n\r\n{footer}\r\n".encode()
    assert "The printer is broken." == read(raw, ReadingOptions()).body.whole


@pytest.mark.fault("R10")
def test_a_button_that_outlook_hides() -> None:
    """`mso-hide:all` hides a link from Outlook alone: its words and its address stay."""
    html = '<p>Ready.</p><a href="https://shop.example/quote/1" style="color:#ffffff;mso-hide:all">Approve it</a>'
    raw = f"From: ann@customer.example\r\nContent-Type: text/html\r\n\r\n{html}\r\n".encode()
    whole = read(raw, ReadingOptions()).body.whole
    assert "Approve it" in whole
    assert "https://shop.example/quote/1" in whole
