"""Japanese mail as phones and old programs write it, also where it is damaged."""

import pytest

from redmine_mailbridge.mail.mime.japanese import decode

ESC = b"\x1b"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (ESC + b"$B" + b"$3$s$K$A$O" + ESC + b"(B!", "こんにちは!"),
        (ESC + b"$B" + b"-!" + ESC + b"(B", "①"),
        (ESC + b"(I" + b"1234" + ESC + b"(B x", "ｱｲｳｴ x"),
        (b"\x0e1234\x0f x", "ｱｲｳｴ x"),
        (ESC + b"$(D" + b"0!" + ESC + b"(B", "丂"),
        (ESC + b"$(Q" + b"./" + ESC + b"(B", "佉"),
        (ESC + b"$A" + b"VP" + ESC + b"(B", "中"),
        (ESC + b"$(C" + b"0!" + ESC + b"(B", "가"),
        (ESC + b"$B" + b"$3\n$s" + ESC + b"(B", "こ\nん"),
        (ESC + b"$B" + b"$3$", "こ\ufffd"),
        (ESC + b"$B" + b"$\x80$3" + ESC + b"(B", "\ufffd\ufffdこ"),
        (ESC + b"$B" + b"\xff$3" + ESC + b"(B", "\ufffdこ"),
    ],
)
def test_each_set(data: bytes, expected: str) -> None:
    """Every character set that a sequence may switch to is read; one damaged byte costs one letter, not the rest."""
    assert expected == decode(data)
