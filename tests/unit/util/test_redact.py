"""Secrets in what a server says."""

import json
from base64 import b64encode, urlsafe_b64encode

import pytest

from redmine_mailbridge.util.redact import redact

SECRET = 'Grüß/Gott  "7"\\'


@pytest.mark.fault("A18-1")
@pytest.mark.parametrize(
    "said",
    [
        SECRET,
        'Grüß/Gott "7"\\',
        SECRET.replace("\\", "\\\\").replace('"', '\\"'),
        json.dumps({"said": SECRET}),
        json.dumps({"said": SECRET}, ensure_ascii=False).replace("/", "\\/"),
        repr(SECRET.encode()),
    ],
)
def test_a_secret_as_it_is_written(said: str) -> None:
    """A secret is hidden as it is, on one line, and as IMAP, JSON and Python write it; all else stays."""
    hidden = redact(f"535 {said} is wrong", [SECRET])
    assert ("Gott" in hidden, hidden.startswith("535 "), hidden.endswith(" is wrong")) == (False, True, True)


@pytest.mark.fault("A18-1")
@pytest.mark.parametrize("encode", [b64encode, urlsafe_b64encode])
@pytest.mark.parametrize("around", ["{}", "\0me\0{}", "a\0me\0{}", "user=me\x01auth=Bearer {}\x01\x01", "ab\0me\0{}x"])
def test_a_secret_in_base64(around: str, encode: type(b64encode)) -> None:  # type: ignore[valid-type]  # a function
    """A secret is hidden in base64, whatever is encoded before and after it."""
    written = encode(around.format("hunter?>22").encode()).decode()
    assert "no: *** (me)" == redact(f"no: {written} (me)", ["hunter?>22"])


def test_other_texts_stay() -> None:
    """What holds no secret stays as it is, and an empty secret is none."""
    said = "AUTHENTICATE failed (aGVsbG8=): ask hunter"
    assert said == redact(said, ["", "hunter22"])


def test_a_long_text_costs_little() -> None:
    """A server that repeats the secret a hundred thousand times costs no more than reading that."""
    written = b64encode(b"hunter22").decode()
    assert " ".join(["***"] * 100_000) == redact(" ".join([written] * 100_000), ["hunter22"])
