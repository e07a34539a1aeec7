"""Seconds a megabyte that `read` takes for the worst texts known: odd, tiny, repeated. The slowest ten are printed.

Argument: how many bytes each mail has (default 1000000).
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

HTML = (
    "<p>a</p>", "<p>", "a<br>", "<br>", "<td>a", "<b>a</b>", "<b>a", "<li>a", "<blockquote>a", "<div>a</div>", "<div>",
    "<table><tr><td>a<td>b<tr><td>c<td>d</table>", "<table><tr><td>", "<hr>", "<pre>a\nb</pre>", "<p>*a*_b_</p>",
    '<a href="http://example.com">a</a>', '<p style="font-size:0">x</p>', '<p style="font-size:0">', "&lt;", "a b ",
)  # fmt: skip
TEXT = (
    "[[", "[[\n", "-- \n", "x\n", "> \n", ">x\n", "*a* _b_ @c@ ", "{{", "{{a}} ", "#1 ", "@a ", "@a", "From: a\n",
    "!a! ", "\n", "a:b ", "r1 ", "<a ", "<<\n", "&amp; ", "__", "[a](b) ", "-\n", "- a\n", "On a 1:\n",
    "Sent from my x\n\n",
    "|a|\n", "p. a\n", "`", "`a\n", "```\n", "* a\n", "# a\n",
    ("[[" * 40) + "\n", ("-a " * 27) + "\n", ("#1 " * 27) + "\n",
)  # fmt: skip


def main(arguments: list[str]) -> None:
    from redmine_mailbridge.mail.parse import read
    from redmine_mailbridge.model.mail import ReadingOptions

    size = int(arguments[0]) if arguments else 1_000_000
    found: list[tuple[float, str]] = []
    for kind, units in (("html", HTML), ("plain", TEXT)):
        for unit in units:
            raw = f"From: a@example.com\nContent-Type: text/{kind}\n\n".encode() + unit.encode() * (size // len(unit))
            for form in ("common_mark", "textile"):
                before = time.process_time()
                read(raw, ReadingOptions(text_format=form))  # type: ignore[arg-type]
                found.append(((time.process_time() - before) / len(raw) * 1e6, f"{kind}, {form}: {unit[:24]!r}"))
    print(f"\nseconds a megabyte, mails of {size} bytes, the slowest ten of {len(found)}")
    for seconds, name in sorted(found, reverse=True)[:10]:
        print(f"{seconds:6.2f}  {name}")


if __name__ == "__main__":
    main(sys.argv[1:])
