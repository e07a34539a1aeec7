"""Texts, names and pages of strangers who know what Redmine acts on: a grammar of fences, lists, tables, quotes, HTML,
entities, links, pictures, mentions, macros, styles and alerts.
"""

import html
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

WORDS = ["word", "Grüße", "漢字", "item", "a", "no. 5", "C#", "3 x 4", "i++", "ok?"]
LIVE = """#1|##1|#1-2|#1#note-1|#note-1|@admin|user:admin|user@admin|support:#1|[[Wiki]]|[[Wiki\\|x]]|\\[[Wiki]]
[[support:Wiki]]
{{hello_world}}|{{toc}}|{{>toc}}|{{include(Wiki)}}|{{collapse|{{collapse(a)|}}|!{{toc}}|{{macro(0)}}
{{child_pages}}|{{thumbnail(a.png)}}
attachment:a.png|attachment:"a.png"|version:1.0|version:"1.0"|document:Doc|document#1|news:News|forum:Forum
message:1|message#1
project:support|r1|x\\|r1|commit:abc|source:a|export:a|!#1|!@admin|![[Wiki]]|!r1|!!#1|"#1"|(#1)|,#1|-#1|@admin.
@admin,|@@admin
note:1|user#1|[#1]|#1:|#1)|@anna@admin|.@admin|é@admin|"x"@admin|a_@admin"""
PICTURES = """!a.png!|!http://e.example/a.png!|!>a.png!|!{width:9px}a.png!|!a.png(b)!|!a.png!:http://e.example
!a|b!|![x](a.png)
![](http://e.example/a.png)|![x][y]|!/a.png!|!image@2x.png!|\\|!a.png!\\||(!a.png!)|>!a.png!|wow!a.png!|!a.png(b"""
LINKS = """[x](http://evil.example)|[https://bank.example](https://evil.example)|[x]: http://evil.example|[x][y]
[x]|[^1]|[^1]: x
"https://bank.example":https://evil.example|"x":http://evil.example|"x(t)":http://e.example|"x":/issues/1
"x":mailto:a@b.example
https://x.example/@admin|https://x.example/a_b_c?d=e&f=g#h|<https://x.example/y>|<mailto:a@b.example>
a@b.example|<a@b.example>
www.x.example|http://x.example/{{toc}}|https://x.example/(a|ftp://x.example/a|[http://x.example]
(http://x.example/a)|http://x.example.
<javascript:x>|http://a_b.example/*x*|https://x.example/#1|http://x.example/~~~|x:http://x.example|http://
[a] (http://e.example)
http://x.example/a[1]|http://x.example/?a=&copy;&b=1|<http://x.example/@admin>|admin@x.example:#1|[x] (
](http://e.example)|http://x.example/_"""
MARKUP = """*x*|**x**|_x_|__x__|-x-|+x+|^x^|~x~|~~x~~|??x??|%x%|%{color:red}x%|*{color:red}x*|==x==|@x@|@x|x@
`x`|``x`y``|`|``|```|~~~|````
~~~~~~|*x|x*|_x|x_|-x|x-|+49|C++|~5|2*3*4|a_b_c|__init__|**/*.py|*-x-*|_*x*_|ABC(def)|HTTP(S)|x%x%| :redsh#1:
:redsh#1:|\\|\\\\|\\*x\\*|$x$
:smile:|a[1]|a[12345]|\\`x`|`x\\`|`@admin`|`#1 {{toc}}`|`{{include(Wiki)}}`|`a`#1|``|` `|*`x`*|[`x`](y)|<>|==
= =|a==b|"|""|'|&|&&|^|\\|"""
HTML = """<b>x</b>|<img src="http://e.example/a.png">|<script>alert(1)</script>|<!-- x -->|<!--|-->|<pre>|</pre>
<code>|</code>|<notextile>
</notextile>|<kbd>|<redpre#0>|<a href="http://e.example">x</a>|<style>*{color:red}</style>|<textarea>|<br>|<br/>
<x|x>|<|>|<1|<?php|<![CDATA[
&#35;1|&#64;admin|&lt;b&gt;|&amp;|&copy;|&#123;{toc}}|&#91;[Wiki]]|&#33;a.png!|&nbsp;|&bogus;|&#x40;admin
&amp;#64;admin|&#064;admin|&|&#0;"""
BEGINNINGS = """> |>> |> > |>|- |* |+ |1. |2. |3) |10. |# |## |###### |#|** |*# |#* |  |    |\t|      - |  *\x20
   1. |p. |p{color:red}. |p(a#b)=. |h1. |h2>.\x20
bq. |bq.:http://e.example |fn1. |bc. |pre. |notextile. |table. |table{color:red}. |\\|_. |\\|a\\|b\\|
{color:red}. \\||(a). \\||<. \\||\\|\\2. |> [!NOTE] |> [!WARNING]
- [ ] |* [x] |- - |> - |- > |> # |> 1. |[x]: |[^1]: |--- |*** |___ |=== |: |\\|---\\|---\\||:-:|:-|-|--|+|=\x20
p{color:red;background:url(http://e.example/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa)}.\x20
h3(((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((. |==|== |```|~~~|    ```|  ```|- ```
> ```|> ~~~|> """


def _pool(text: str) -> list[str]:
    """The pieces of a table above: between bars and lines, "\\|" is a bar."""
    return [
        piece.replace("\0", "|") for line in text.split("\n") for piece in line.replace("\\|", "\0").split("|") if piece
    ]


POOLS = [_pool(LIVE), _pool(PICTURES), _pool(LINKS), _pool(MARKUP), _pool(HTML), WORDS]
STARTS = _pool(BEGINNINGS)
GAPS = [" ", " ", " ", "", ", ", "(", ") ", ". ", ": ", "-", "\t", "  ", "|", '"', "*", "_", "!", "/", "\n", "\u3000"]


@dataclass(frozen=True, slots=True)
class Text:
    """A text as it was written, and the lines of code in it that must come out as they stand."""

    text: str
    codes: tuple[str, ...] = ()


def _words(rng: random.Random) -> str:
    pieces = [rng.choice(rng.choice(POOLS)) for _ in range(rng.choice((1, 1, 2, 2, 3, 4)))]
    return "".join(piece + (rng.choice(GAPS) if index + 1 < len(pieces) else "") for index, piece in enumerate(pieces))


def _code(rng: random.Random, number: int) -> str:
    """A line of code that bears its number, so that it is found again."""
    said = re.sub(r"[`\n]", "", _words(rng)).strip() or "x"
    return f"c{number}c {' '.join(said.split())} d{number}d"


def texts(seed: int, count: int) -> Iterator[Text]:
    """Yield so many texts."""
    for index in range(count):
        yield _text(random.Random(f"{seed}-{index}"))


def _text(rng: random.Random) -> Text:
    lines: list[str] = []
    codes: list[str] = []
    for _ in range(rng.randint(1, 7)):
        kind = rng.random()
        if kind < 0.14:
            lines += _block_of_code(rng, codes)
        elif kind < 0.22:
            code = _code(rng, len(codes))
            if "\\" not in code[:1]:
                codes.append(code)
                before, behind = rng.choice(WORDS), rng.choice(WORDS)
                lines += ["", f"{before} `{code}` {behind}", ""]
        else:
            start = rng.choice(STARTS) if rng.random() < 0.45 else ""
            line = start + _words(rng)
            lines.append(re.sub(r"((?:```|~~~)[ \t]*\S+)[ \t]*$", r"\1 x y", line, flags=re.MULTILINE))  # no language
        if rng.random() < 0.4:
            lines.append(rng.choice(("", "", ">", "  ")))
    return Text("\n".join(lines), tuple(codes))


def _block_of_code(rng: random.Random, codes: list[str]) -> list[str]:
    """A block of code, fenced or indented, at the left, in a list or in quotes; set apart by blank lines or not."""
    made = []
    for _ in range(rng.randint(1, 3)):
        codes.append(_code(rng, len(codes)))
        made.append(codes[-1])
    prefix = rng.choice(("", "", "", "> ", "> > ", "  "))
    if rng.random() < 0.3 and not prefix.startswith(" "):
        lines = [f"{prefix}    {line}" for line in made]
        return [prefix.rstrip(), f"{prefix}words", prefix.rstrip(), *lines, prefix.rstrip()]
    fence = rng.choice(("```", "```", "~~~", "````", "~~~~"))
    lines = [f"{prefix}{line}" for line in (fence, *made, fence)]
    if rng.random() < 0.3:
        lines.insert(0, rng.choice(("- item", "* item", "1. item", "> quote", "words", "")))
    return lines


def names(seed: int, count: int) -> Iterator[Text]:
    """Yield so many words that a stranger may be called, or a file of his."""
    for index in range(count):
        yield Text(_words(random.Random(f"name {seed}-{index}")))


CONTAINERS = """div p span b i em strong u s del sub sup blockquote ul ol li table tr td th h1 h2 h3 pre code tt font
center a""".split()  # noqa: SIM905  # words read better as words
BETWEEN = [
    "",
    "",
    "",
    "<br>",
    "<hr>",
    " ",
    "&#xfde2;admin",
    "&#xfdd0;",
    "&#xfde5;",
    "<img src=x alt='&#xfde2;admin #1'>",
]
SEPARATORS = [
    "On Mon, 1 Jan 2024 at 10:00, Ann wrote:",
    "-----Original Message-----",
    "From: ann@x.example\nSent: Monday, 1 January 2024\nTo: b@x.example\nSubject: x",
    "-- \nAnn",
    "> quoted\n> more",
]
TARGETS = """http://evil.example|https://evil.example/a_b*c*d|http://x.example/{{toc}}|http://x.example/@admin|javascript:x
mailto:a@b.example|/issues/1|#x|http://x.example/a b(c)[d]|http://x.example/?a=&copy;&b=1|HTTP://X.EXAMPLE
http://x.example/"onclick="x|http://x.example/~~~|tel:+49|https://bank.example@evil.example/|data:text/html,x"""


def pages(seed: int, count: int) -> Iterator[Text]:
    """Yield so many pages of HTML, each with the text that is to be read of it."""
    for index in range(count):
        rng = random.Random(f"page {seed}-{index}")
        yield Text("".join(_element(rng, 0) for _ in range(rng.randint(1, 4))))


def replies(seed: int, count: int) -> Iterator[Text]:
    """Yield so many pages of HTML in which, somewhere, what is quoted begins."""
    for index, page in enumerate(pages(seed, count)):
        rng = random.Random(f"reply {seed}-{index}")
        said = [f"{before}\n{rng.choice(SEPARATORS)}\n" for before in page.text.split("\n")]
        kept = page.text.split("\n")
        at = rng.randrange(len(kept))
        code = html.escape("\n".join((_words(rng), rng.choice(SEPARATORS), _words(rng), _words(rng))))
        yield Text("\n".join([*kept[:at], said[at], f"<pre>{code}</pre>" * rng.randint(0, 1), *kept[at + 1 :]]))


def _element(rng: random.Random, depth: int) -> str:
    """An element with elements and words in it."""
    inner = "".join(
        _element(rng, depth + 1)
        if depth < 4 and rng.random() < 0.4
        else html.escape(_words(rng)) + rng.choice(("", " ", "\n"))
        for _ in range(rng.randint(1, 3))
    )
    tag = rng.choice(CONTAINERS)
    if tag == "a":
        shown = rng.choice((inner, html.escape(rng.choice(_pool(LINKS))), "here"))
        return f'<a href="{html.escape(rng.choice(_pool(TARGETS)))}">{shown}</a>'
    if tag in {"ul", "ol"}:
        return f"<{tag}><li>{inner}</li><li>x</li></{tag}>"
    if tag == "table":
        return f"<table border=1><tr><th>x<th>y<tr><td>{html.escape(_words(rng))}<td>{html.escape(_words(rng))}</table>"
    return f"<{tag}>{inner}</{tag}>{rng.choice(BETWEEN)}"
