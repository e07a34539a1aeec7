import datetime as dt

import pytest

from redmine_mailbridge.mail.mime import addresses, headers, params
from redmine_mailbridge.mail.mime.charset import decode
from redmine_mailbridge.mail.mime.encoded_words import decode_words, unfold
from redmine_mailbridge.mail.mime.filenames import TakenNames, safe
from redmine_mailbridge.mail.mime.headers import Headers, date, message_ids
from redmine_mailbridge.mail.parse import read
from redmine_mailbridge.model.mail import ReadingOptions


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("a@example.org", [("", "a@example.org")]),
        ("Ann <a@example.org>, <b@example.org>", [("Ann", "a@example.org"), ("", "b@example.org")]),
        ('"Lund, Ida" <i@example.org>', [("Lund, Ida", "i@example.org")]),
        ("Lund, Ida <i@example.org>", [("Lund, Ida", "i@example.org")]),
        ("Team: a@example.org, B <b@example.org>;", [("", "a@example.org"), ("B", "b@example.org")]),
        ("undisclosed-recipients:;", []),
        ("a@example.org (Ann)", [("Ann", "a@example.org")]),
        ("Ann a@example.org", [("Ann", "a@example.org")]),
        ("a@example.org; b@example.org", [("", "a@example.org"), ("", "b@example.org")]),
        ("=?utf-8?Q?Lund=2C_Ida?= <i@example.org>", [("Lund, Ida", "i@example.org")]),
        ("=?utf-8?Q?Ann_=3Ca=40example=2Eorg=3E?=", [("Ann", "a@example.org")]),
        ('"=?utf-8?Q?J=C3=B8rn?=" <j@example.org>', [("Jørn", "j@example.org")]),
        ('"an odd one"@example.org', [("", '"an odd one"@example.org')]),
        ("Ann <a@example.org", [("Ann", "a@example.org")]),
        ("nobody", []),
        ("", []),
    ],
)
def test_addresses_are_read_as_they_are_sent(written: str, expected: list[tuple[str, str]]) -> None:
    """Groups, comments, unquoted commas, encoded words and unclosed brackets give the addresses that are meant."""
    assert expected == [(one.name, one.address) for one in addresses.parse(written)]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        ("=?iso-8859-1?q?=E4?= =?utf-8?q?=C3=B6?=", "äö"),
        ("=?utf-8?B?w4Q==?=", "Ä"),
        ("=?utf-8?Q?two words?=", "two words"),
        ("=?utf-8*de?Q?=C3=A4?=", "ä"),
        ("=?utf-8?Q?never closed", "=?utf-8?Q?never closed"),
        ("=?utf-8?X?what?=", "=?utf-8?X?what?="),
        ("=?utf-8?B?", "=?utf-8?B?"),
        ("=?x?q", "=?x?q"),
        ("=?utf-8?Q?a=0D=0ABcc:_x?=", "a Bcc: x"),
        ("=?nowhere?Q?caf=C3=A9?=", "café"),
    ],
)
def test_encoded_words(written: str, expected: str) -> None:
    """Words of one charset are joined before decoding, broken ones stay, and the result is one line."""
    assert expected == decode_words(written)


def test_header_values_are_one_line_without_control_characters() -> None:
    """Folding becomes a blank, NUL and escape go, bytes of 8 bits are read."""
    assert "a b c" == unfold(b" a\r\n\tb\r c\0\x1b\r\n")
    assert "Größe" == unfold("Größe".encode())
    assert "Größe" == unfold("Größe".encode("latin-1"), "windows-1252")


@pytest.mark.parametrize(
    ("data", "declared", "expected"),
    [
        ("한국어".encode("cp949"), "ks_c_5601-1987", "한국어"),
        ("中文字".encode("gb18030"), "x-gbk", "中文字"),
        ("中文字".encode("gb18030"), "gb2312", "中文字"),
        (b"caf\xe9 \x80", "iso-8859-1", "café €"),
        ("naïve".encode(), "us-ascii", "naïve"),
        ("naïve".encode(), "utf-8*fr", "naïve"),
        ("שלום".encode("iso-8859-8"), "iso-8859-8-i", "שלום"),
        (b"Hi Mom +Jjo-!", "unicode-1-1-utf-7", "Hi Mom ☺!"),
        ("привет".encode("cp1251"), "win-1251", "привет"),
        ("テスト".encode("iso-2022-jp"), "iso-2022-jp", "テスト"),
        (b"\x1b$B-!\x1b(B", "iso-2022-jp", "①"),
        (b"abc", "zlib", "abc"),
        ("naïve".encode(), "punycode", "naïve"),
        (b"\xef\xbb\xbfabc", "utf-8", "abc"),
        ("Größe und Maß".encode()[:-1], "utf-8", "Größe und Ma\ufffd"),
    ],
)
def test_charsets_unknown_and_lying(data: bytes, declared: str, expected: str) -> None:
    """Declared, by its many names; else UTF-8; else a guess; a cut character costs only itself."""
    assert expected == decode(data, declared)


@pytest.mark.parametrize(
    ("written", "name", "expected"),
    [
        ("attachment; filename=a.pdf", "filename", "a.pdf"),
        ("attachment; filename=two words.pdf; size=3", "filename", "two words.pdf"),
        ('attachment; filename="a;b.pdf"', "filename", "a;b.pdf"),
        ('attachment; filename="the "best" one.pdf"', "filename", 'the "best" one.pdf'),
        ('attachment; filename="C:\\dir\\a.pdf"', "filename", "C:\\dir\\a.pdf"),
        ("attachment; filename*=utf-8''%E2%82%AC.pdf; filename=x.pdf", "filename", "€.pdf"),
        ("attachment; filename*1=b.pdf; filename*0=a", "filename", "ab.pdf"),
        ("attachment; filename*0*=iso-8859-1'de'%E4; filename*1*=%F6.pdf", "filename", "äö.pdf"),
        ("text/plain charset=utf-8", "charset", "utf-8"),
        ("text/plain; charset = utf-8", "charset", "utf-8"),
        ('multipart/mixed; boundary="never closed', "boundary", "never closed"),
    ],
)
def test_parameters(written: str, name: str, expected: str) -> None:
    """RFC 2231 and the ways around it: blanks, forgotten quotes and semicolons, quotes within quotes."""
    assert expected == params.parse(written)[1][name]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\a\\b.doc", "b.doc"),
        ("a\x00b\r\nc.txt", "ab c.txt"),
        ("bill\u202efdp.exe", "billfdp.exe"),
        ("was?:<neu>.txt", "was_neu_.txt"),
        ("..", ""),
        ("отчёт.pdf", "отчёт.pdf"),
        ("Z\u0308.txt", "Z̈.txt"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
    ],
)
def test_file_names_are_safe_and_keep_their_script(sent: str, expected: str) -> None:
    """No path, no control or bidirectional characters, none that Redmine replaces; the extension stays."""
    assert expected == safe(sent)


def test_names_are_one_of_a_kind() -> None:
    """Two files of one name, in whatever case, and nameless ones by type, get names of their own."""
    names = TakenNames()
    wanted = [("a.txt", "text/plain"), ("A.TXT", "text/plain"), ("", "image/png"), ("", "image/png"), ("", "x/y")]
    assert ["a.txt", "A-2.TXT", "image-1.png", "image-2.png", "attachment-1.bin"] == [
        names.take(*one) for one in wanted
    ]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("<a@b>", ["a@b"]),
        ("<a@b> <c@d>", ["a@b", "c@d"]),
        ("<a@\r\n b>", ["a@b"]),
        ("a@b", ["a@b"]),
        ("no-id", ["no-id"]),
        ("", []),
    ],
)
def test_message_ids(written: str, expected: list[str]) -> None:
    """Ids come without brackets and white space, also those that lack the brackets."""
    assert expected == message_ids(written)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Tue, 3 Nov 2026 10:15:00 +0100", "2026-11-03T10:15:00+01:00"),
        ("3 Nov 2026 10:15 GMT", "2026-11-03T10:15:00+00:00"),
        ("Dienstag, 3 Nov 2026 10:15:00 +0100 (CET)", "2026-11-03T10:15:00+01:00"),
        ("2026-11-03T10:15:00Z", "2026-11-03T10:15:00+00:00"),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates(written: str, expected: str | None) -> None:
    """Dates have their zone; what cannot be read is None."""
    assert (dt.datetime.fromisoformat(expected) if expected else None) == date(written)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("X-Priority", b" 1 (Highest)", "high"),
        ("Importance", b" Low", "low"),
        ("Priority", b" urgent", "high"),
        ("X-MSMail-Priority", b" Normal", "normal"),
        ("X-Priority", b" 3", "normal"),
    ],
)
def test_importance(name: str, value: bytes, expected: str) -> None:
    """Each program's way of saying that a mail is urgent."""
    assert expected == Headers([(name, value)]).importance()


@pytest.mark.fault("R12")
def test_a_header_block_whose_folding_was_lost() -> None:
    """Where a relay lost the white space of continuation lines, what follows is the header still, however long."""
    signature = b"DKIM-Signature: v=1;\r\nb=" + b"\r\n".join(b"A" * 72 for _ in range(40))
    raw = signature + b"\r\nFrom: ann@customer.example\r\nSubject: hello\r\n\r\nthe text\r\n"
    message = read(raw, ReadingOptions())
    assert ("ann@customer.example", "hello", "the text") == (
        message.sender.address,
        message.subject,
        message.body.whole,
    )


def test_a_field_is_unfolded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rules look at a field, its value is decoded once, and as often as it differs."""
    unfolded: list[bytes] = []

    def counted(raw: bytes, fallback: str) -> str:
        unfolded.append(raw)
        return unfold(raw, fallback)

    monkeypatch.setattr(headers, "unfold", counted)
    found = Headers([("Subject", b" a b\r\n"), ("To", b"x@example.org\r\n"), ("To", b"y@example.org\r\n")])
    assert ["a b"] * 3 == [found.text("subject"), found.raw_line("subject"), found.best("subject")]
    assert ["x@example.org", "y@example.org"] == found.raw_lines("to")
    assert ("Subject", "a b") == found.all()[0]
    assert [b" a b\r\n", b"x@example.org\r\n", b"y@example.org\r\n"] == unfolded


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b" a b \r\n", "a b"),
        (b"a  b\r\n", "a  b"),
        (b"a \r\n b\r\n", "a b"),
        (b"\x00 a\x01 b \x7f\r\n", "a b"),
        (b"\t a\tb\x1f\r\n", "a b"),
        ("\u3000a\u3000b\u3000\r\n".encode(), "a\u3000b"),
    ],
)
def test_white_space_of_a_field(raw: bytes, expected: str) -> None:
    """White space around a value goes, its own line end too; a line end or a tab within it becomes one blank."""
    assert expected == unfold(raw)
