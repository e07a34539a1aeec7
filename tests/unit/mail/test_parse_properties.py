import base64
import random
import subprocess
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from redmine_mailbridge.mail.parse import read
from redmine_mailbridge.model.mail import ReadingOptions
from tests.mutants import lost_parts, mails_in, mutant

MAILS = Path(__file__).parents[2] / "fixtures/mails"
LEAF_TYPES = (
    "text/plain", "text/html", "text/csv", "text/calendar", "image/png", "application/pdf", "message/rfc822",
    "application/octet-stream", "application/ms-tnef", "application/pkcs7-mime", "application/pgp-signature",
    "message/delivery-status", "x-odd/x-type", "text", "",
)  # fmt: skip
MULTIPARTS = ("mixed", "alternative", "related", "digest", "signed", "encrypted", "report", "appledouble", "x-odd")
DISPOSITIONS = ("", "inline", "attachment", 'attachment; filename="f.bin"', "inline; filename=i.png")

leaf = st.tuples(st.sampled_from(LEAF_TYPES), st.sampled_from(DISPOSITIONS), st.booleans())
tree = st.recursive(
    leaf, lambda inner: st.tuples(st.sampled_from(MULTIPARTS), st.lists(inner, min_size=1, max_size=5)), max_leaves=12
)


def render(node: tuple[object, ...], path: str, tokens: list[str]) -> str:
    """A part as it stands in a mail; each leaf holds a token of its own."""
    if len(node) == 2:
        kind, children = node
        parts = [f"--{path}x\r\n{render(child, f'{path}.{index}', tokens)}\r\n" for index, child in enumerate(children)]
        return f'Content-Type: multipart/{kind}; boundary="{path}x"\r\n\r\n{"".join(parts)}--{path}x--\r\n'
    kind, disposition, encoded = node
    token = f"token{len(tokens)}end"
    tokens.append(token)
    head = f"Content-Type: {kind}\r\n" if kind else ""
    head += f"Content-Disposition: {disposition}\r\n" if disposition else ""
    content = f"Says {token} here."
    if encoded and kind != "message/rfc822":
        content = base64.b64encode(content.encode()).decode()
        head += "Content-Transfer-Encoding: base64\r\n"
    return f"{head}\r\n{content}"


@settings(max_examples=300, deadline=None)
@given(tree)
def test_no_leaf_is_lost(node: tuple[object, ...]) -> None:
    """Every leaf of any tree is text of the mail or an attachment, or named as left out.

    What an alternative says in the other form is text of the mail that is not shown: it counts when the mail
    shows one of the forms.
    """
    tokens: list[str] = []
    raw = b"From: a@example.org\r\nMIME-Version: 1.0\r\n" + render(node, "b", tokens).encode()
    from redmine_mailbridge.mail.mime import structure
    from redmine_mailbridge.mail.mime.parts import PartClassifier
    from redmine_mailbridge.mail.text.body import TextPart

    message = read(raw, ReadingOptions())
    sorted_ = PartClassifier().sort(structure.scan(raw))
    held = b"".join(b"".join(one.chunks()) for one in message.attachments).decode("utf-8", "replace")
    for element in sorted_.elements:
        parts = (element,) if isinstance(element, TextPart) else element.text + element.html
        held += " ".join(part.content for part in parts)
    assert [] == [token for token in tokens if token not in held]


def test_broken_mails_raise_nothing_and_lose_nothing() -> None:
    """Three thousand mutants are read, and the standard library sees no leaf in them that our tree does not hold."""
    rng = random.Random(3)
    mails = mails_in(MAILS)
    lost = 0
    for number in range(3000):
        raw = mutant(rng, mails)
        read(raw, ReadingOptions(prefer="html" if number % 2 else "text"))
        lost += bool(lost_parts(raw))
    assert 0 == lost


def test_a_large_attachment_is_never_whole_in_memory(tmp_path: Path) -> None:
    """A mapped mail with an attachment of 30 MB adds at most three times its size and 20 MB to the process."""
    script = """
import base64, mmap, resource, sys
from redmine_mailbridge.mail.parse import parse
parse(b"From: a@example.org\\n\\nWarm up: <b>html</b>\\n")
with open(sys.argv[1], "rb") as file:
    raw = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = parse(raw)
    size = sum(len(piece) for piece in message.attachments[0].chunks())
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(after - before, size, max(len(piece) for piece in message.attachments[0].chunks()), len(raw))
"""
    path = tmp_path / "large.eml"
    with path.open("wb") as file:
        file.write(b"Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\r\nHello.\r\n--m\r\n")
        file.write(b"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n")
        block = base64.encodebytes(bytes(range(256)) * 57 * 64).replace(b"\n", b"\r\n")
        for _ in range(-(-30_000_000 // (256 * 57 * 64))):
            file.write(block)
        file.write(b"--m--\r\n")
    run = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    grown, size, largest, length = map(int, run.stdout.split())
    assert (True, True) == (size >= 30_000_000, largest <= 1024 * 1024)
    assert grown * 1024 <= 3 * length + 20_000_000
    assert grown * 1024 <= length + 20_000_000, "the mapped pages themselves, and little else"
