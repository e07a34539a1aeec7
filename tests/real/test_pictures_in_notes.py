"""An agent's note with a table, a list, code, a quote and a picture, in both text formats, as the customer gets it."""

import email
import email.policy
import io
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import lxml.html
import pytest
from PIL import Image

from tests.product import mail, product
from tests.real.talk import sends_by, turn, uploaded
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.relay import Relay

pytestmark = pytest.mark.real

NOTES = {
    "textile": """Hello *Kim*,

|_. part |_. price |
|>. fuser |>. 99 |

* first
** second

<pre><code class="sh">
echo "<b>"
</code></pre>

> It burns.

!größe.png! [[Internal]] {{include(Secret)}} #1
""",
    "common_mark": """Hello **Kim**,

| part | price |
|-----:|------:|
| fuser | 99 |

- first
    - second

```sh
echo "<b>"
```

> It burns.

![](größe.png) [[Internal]] {{include(Secret)}} #1
""",
}


def photo(width: int = 2400, height: int = 800) -> bytes:
    """A picture with EXIF data that names a place."""
    picture = Image.new("RGB", (width, height), (200, 30, 30))
    exif = Image.Exif()
    exif[0x010E] = "taken at 52.5200 N"
    out = io.BytesIO()
    picture.save(out, "JPEG", exif=exif)
    return out.getvalue()


@pytest.mark.parametrize("text_format", ["textile", "common_mark"])
def test_a_note_as_the_customer_gets_it(  # noqa: PLR0917 - fixtures are named, not placed
    tmp_path: Path,
    redmine: Redmine,
    mailbox: Mailbox,
    project: str,
    server: Relay,
    person: Callable[[str], Mailbox],
    text_format: str,
) -> None:
    """Tables, lists, code and quotes are HTML; the note's picture is shown in place, scaled and without metadata; a
    private note's file stays; Redmine's own links and macros are words or gone; the text part says the same.
    """
    customer = person("kim")
    bridge = product(tmp_path, redmine, mailbox, project)
    sends_by(bridge, server)
    bridge.change({"redmine": {"text_format": text_format}})
    bridge.support(answers={"received": False, "notes": "public_notes"})
    turn(bridge)
    raw = mail("Printer on fire", "It burns.\n", sender=f"Kim Client <{customer.address}>", to=mailbox.address)
    server.deliver(raw, mailbox.address, customer.address)
    turn(bridge)
    (issue,) = redmine.admin.issues(project)
    secret = {
        "notes": "For us.",
        "private_notes": True,
        "uploads": [uploaded(redmine, "secret.jpg", photo(300, 100), "image/jpeg")],
    }
    redmine.api("bob").call("PUT", f"/issues/{issue['id']}.json", {"issue": secret})
    secret_picture = "!secret.jpg!" if text_format == "textile" else "![](secret.jpg)"
    note = {
        "notes": f"{NOTES[text_format]}\n{secret_picture}\n",
        "uploads": [
            uploaded(redmine, "größe.png", photo(), "image/jpeg"),
            uploaded(redmine, "plan.bin", b"plan", "image/jpeg"),
        ],
    }
    redmine.api("bob").call("PUT", f"/issues/{issue['id']}.json", {"issue": note})
    turn(bridge)
    (sent,) = customer.mails()
    message = email.message_from_bytes(sent, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    check_page(message)
    check_text(message)
    assert ["plan.bin"] == [file.get_filename() for file in message.iter_attachments()]
    assert all(word not in sent for word in (b"52.5200", b"Secret", b'secret.jpg"'))


def check_page(message: EmailMessage) -> None:
    """The HTML: each element of the note, and the picture by its Content-ID."""
    page = message.get_body(("html",))
    assert page is not None
    root = lxml.html.fromstring(page.get_content())
    table = next(one for one in root.iter("table") if one.get("border") == "1")
    assert ["part", "price", "fuser", "99"] == [cell.text_content() for cell in table.iter("th", "td")]
    assert "right" == list(table.iter("td"))[-1].get("align")
    assert ["first second", "second"] == [" ".join(item.text_content().split()) for item in root.iter("li")]
    assert ['echo "<b>"'] == [code.text_content() for code in root.iter("pre")]
    (picture,) = root.iter("img")
    parts = {part["Content-ID"]: part for part in message.walk() if part["Content-ID"]}
    part = parts[f"<{picture.get('src').removeprefix('cid:')}>"]
    assert ("inline", "größe.png") == (part.get_content_disposition(), part.get_filename())
    with Image.open(io.BytesIO(part.get_payload(decode=True))) as shown:
        assert ((1200, 400), 0) == (shown.size, len(shown.getexif()))


def check_text(message: EmailMessage) -> None:
    """The plain part reads well."""
    body = message.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    for line in ("Hello *Kim*,", "fuser | 99", "- first", "  - second", '    echo "<b>"', "> It burns.", "[größe.png]"):
        assert line in text
    assert "Internal" in text
    assert "{{" not in text
