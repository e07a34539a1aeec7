"""What strangers write is dead in a real Redmine's pages, and reads the same."""

import lxml.html
import pytest

from redmine_mailbridge.mail.text.escaping import JOINER, inert_in_bulk, make_inert
from redmine_mailbridge.policy.issue_text import literal
from tests.servers.fixtures import Redmine
from tests.servers.rendering import fetched

pytestmark = pytest.mark.real

LIVE = (
    ".//img|.//*[contains(@class,'collapsed-text') or contains(@class,'flash')]"
    "|.//a[contains(@href,'/issues/') or contains(@href,'/users/') or contains(@href,'/wiki')"
    " or contains(@href,'/attachments/') or contains(@href,'/versions/') or contains(@href,'/projects/')]"
)
WRITTEN = (
    'see #1, (#1) #1. "#1" ##1 #1-2 [#1] ,#1 -#1 #1#note-2 #1! <#1>',
    "@anna and (@anna), @anna! user:anna user@anna",
    "{{toc}} {{collapse}} {{macro_list}} {{include(Wiki)}}",
    "[[Wiki]] [[Wiki|x]] [[1,2],[3,4]]",
    'attachment:a.png attachment:"a.png" version:1.0 project:support support:#1 r1 x|r1 commit:abc source:foo',
    "!a.png! !http://example.com/a.png! ![](a.png) ![x](http://example.com/a.png) wow!a.png!",
    '<b>x</b> <img src="http://example.com/a.png" /> List<String>',
    "p. 1 of",
    "!#1 !@anna !{{toc}} ![[Wiki]] !r1 !user:anna !!#1",
)
READ = (
    "call __init__ and a_b_c, 2*3*4, (c) (tm) 3 x 4",
    "h1. Title",
    "# prompt",
    "fn1. note[1]",
    "bq. quote",
    "p>. right",
    "bc. code",
    "{color:red}red",
    "<pre>x</pre> <code>y</code> <notextile>z</notextile> <!-- w -->",
    "table{color:red}. x",
)
READ_IN_TEXTILE = ("_save_ @self@ -x- +y+ ^z^ ~q~ ??w?? %v%", "## y", "see @x@, _y_.")


def _page(redmine: Redmine, text: str) -> lxml.html.HtmlElement:
    """Make an issue with this description and return the part of its page that shows it."""
    return lxml.html.fragment_fromstring(next(iter(fetched(redmine.state, [text]))), create_parent="div")


@pytest.mark.parametrize("bulk", [False, True], ids=["with care", "in bulk"])
def test_nothing_is_live(redmine: Redmine, bulk: bool) -> None:
    """Nothing that a stranger writes becomes a link into Redmine, a macro or a picture; all of it is legible."""
    text = "\n\n".join(WRITTEN)
    if not bulk:
        text = "\n\n".join(WRITTEN + READ + (READ_IN_TEXTILE if redmine.text_format == "textile" else ()))
    inert = inert_in_bulk(text) if bulk else make_inert(text, redmine.text_format)  # type: ignore[arg-type]
    page = _page(redmine, inert)
    shown = page.text_content().replace(JOINER, "").replace("&quot;", '"')
    assert [] == page.xpath(LIVE)
    assert text.split() == shown.split()


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("Kim Client <kim@client.example>", "Kim Client <kim@client.example>"),
        ("A & B &lt;b@client.example&gt; \"x\" 'y'", "A & B &lt;b@client.example&gt; \"x\" 'y'"),
        ("<b>x</b> <img src=x> #1 @admin [[Wiki]] !a.png!", "<b>x</b> <img src=x> #1 @admin [[Wiki]] !a.png!"),
        ("</code><b>x</b><pre>y <script>z</script>", None),
        ("{{macro_list}} <redpre#0> <CODE>", None),
    ],
    ids=["an address", "entities", "live", "out of the code", "Redmine's own marks"],
)
def test_a_strangers_name(redmine: Redmine, name: str, read: str | None) -> None:
    """The line that names a stranger shows the name as it is, in code, with nothing in it alive."""
    text = f"From: {literal(name, redmine.text_format)}\n\nHello."  # type: ignore[arg-type]
    page = _page(redmine, text)
    assert [] == page.xpath(f"{LIVE}|.//b|.//script|.//pre|.//code//*")
    codes = page.xpath(".//code")
    assert (1 <= len(codes)) if redmine.text_format == "textile" else (1 == len(codes))  # some signs stand beside it
    shown = page.text_content()
    assert "Hello." in shown
    if read is not None:
        assert f"From: {read}" in shown
