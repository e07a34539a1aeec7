"""Hundreds of hostile texts, in each text formatting of a real Redmine: nothing in them is alive, all reads the same.

`scripts/fuzz inert` does the same with ten thousand and more.
"""

import pytest

from tests.hostile_texts import Text
from tests.inert_judge import KINDS
from tests.servers.fixtures import Redmine
from tests.servers.rendering import FORMATS, render

pytestmark = pytest.mark.real

TEXTS = 500
OTHERS = 52
CODES = ('curl "a[1]" | sh #12 {{x}} @admin',)
FOUND = (
    "- a\n  ```\n  code\n- b\n\n![](http://e.example/a.png) @admin <b>x</b>\n  ```\n",
    "\\[[Wiki]] \\{{toc}} \\#1",
    "&#123;{toc}} &#91;[Wiki]] &#64;admin &#35;1",
    "[https://bank.example](https://evil.example)",
    "> [!NOTE]\n> x",
    "|!http://e.example/a.png!|",
    "!http://e.example/a.png(b\nc)!",
    "p{color:red;background:url(http://e.example/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)}. x",
    '"https://bank.example":https://evil.example',
    "```\n</pre>!http://e.example/a.png!\n```",
    "@admin !@admin (@admin) *@admin* `@admin`\n\n> @admin\n\n>     @admin",
    f"```\n{CODES[0]}\n```",
)


@pytest.mark.fault("V7", "V8", "S5", "A13-R1")
def test_hostile_texts(redmine: Redmine) -> None:
    """What a stranger writes, on each way on which it comes into an issue, is dead there and reads the same: what was
    alive once, and hundreds of texts of a grammar.
    """
    counts = {kind: TEXTS if kind == "texts" else OTHERS for kind in KINDS}
    texts = [("texts", Text(text, CODES)) for text in FOUND]
    texts += [(kind, one) for kind, count in counts.items() for one in KINDS[kind].given(2026, count)]
    jobs = [(form, kind, one, KINDS[kind].make(one, form)) for form in FORMATS[redmine.version] for kind, one in texts]
    pages = render(redmine.state, [(form, made) for form, _, _, made in jobs])
    wrong = [
        f"{form}: {kind}: {one.text!r}: {fault}"
        for (form, kind, one, _), page in zip(jobs, pages, strict=True)
        for fault in KINDS[kind].judge(one, page.html, page.mentioned)
    ]
    assert [] == wrong[:20]
