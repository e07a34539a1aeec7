"""The addresses in a line of an issue's text: those that its writer names, and no others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redmine_mailbridge.mail.text.named_addresses import named_addresses

KIM, LEE = "kim@c.example", "lee@c.example"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (KIM, [KIM]),
        (f"{KIM}, {LEE}", [KIM, LEE]),
        (f"{KIM} {LEE}", [KIM, LEE]),
        (f"{KIM};{LEE};", [KIM, LEE]),
        (f"Kim <{KIM}>", [f"Kim <{KIM}>"]),
        (f'"Client, Kim" <{KIM}>, {LEE}', [f"Client, Kim <{KIM}>", LEE]),
        (f"Client, Kim <{KIM}>", [f"Client, Kim <{KIM}>"]),
        (f"<{KIM}>", [KIM]),
        (f"{KIM}.", [KIM]),
        (f"**{KIM}**", [KIM]),
        (f"_{KIM}_", [KIM]),
        (f"`{KIM}`", [KIM]),
        (f"mailto:{KIM}", [KIM]),
        (f"<mailto:{KIM}>", [KIM]),
        (f"{KIM} <mailto:{KIM}>", [KIM]),
        (f"[{KIM}](mailto:{KIM})", [KIM]),
        (f"[Kim Client](mailto:{KIM})", [f"Kim Client <{KIM}>"]),
        (f'"{KIM}":mailto:{KIM}', [KIM]),
        (f'"Kim Client":mailto:{KIM}, {LEE}', [f"Kim Client <{KIM}>", LEE]),
        (f'<a href="mailto:{KIM}?subject=x">{KIM}</a>', [KIM]),
        (f'<span style="x"><a class="email" href="mailto:{KIM}">Kim</a>,&nbsp;{LEE}</span>', [f"Kim <{KIM}>", LEE]),
        (f"Kim &lt;{KIM}&gt;", [f"Kim <{KIM}>"]),
        ("kim\\_c@c.example", ["kim_c@c.example"]),
        ("kim\u200b@c.example\u00a0lee@c.example", [KIM, LEE]),
        ("kim@b\u00fccher.example", ["kim@xn--bcher-kva.example"]),
        ('"kim c"@c.example', None),
        ("", []),
    ],
)
def test_what_is_named(words: str, expected: list[str] | None) -> None:
    """Addresses count however an editor writes them, with the name before them; nothing else is lost or found."""
    people, problems = named_addresses(words)
    if expected is None:
        assert problems
        return
    assert (expected, ()) == ([str(person) for person in people], problems)


@pytest.mark.parametrize(
    ("words", "people", "problems"),
    [
        ("foo", [], ["foo is not a mail address"]),
        (f"{KIM} please look", [KIM], ["please look is not a mail address"]),
        (f"please {KIM}", [KIM], ["please is not a mail address"]),
        ("@kim", [], ["@kim is not a mail address"]),
        ("kim@@c.example", [], ["kim@@c.example is not a mail address"]),
        (f"[{KIM}](mailto:{LEE})", [], [f"{KIM} is a link to another address"]),
        (f'<a href="mailto:{LEE}">{KIM}</a>', [], [f"{KIM} is a link to another address"]),
        (f"[Kim](mailto:{KIM}%3E,%3C{LEE})", [], ["Kim is a link to another address"]),
        (f"{KIM} <{LEE}>", [], [f"{KIM} is the name of another address"]),
    ],
)
def test_what_is_not_understood(words: str, people: list[str], problems: list[str]) -> None:
    """Words that are no address, and addresses that hide another one, are problems."""
    found = named_addresses(words)
    assert (people, problems) == ([person.address for person in found[0]], list(found[1]))


@given(st.text(alphabet="abc@.<>[]()\"':;,\\&%_*` \u200bmailto", max_size=60))
def test_nothing_is_named_that_was_not_written(words: str) -> None:
    """Whatever the line, each address in it is a piece of it, in one go."""
    plain = words.replace("\\", "").replace("\u200b", "").lower()
    for person in named_addresses(words)[0]:
        assert person.address.lower() in plain
