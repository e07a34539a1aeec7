"""How many replies are split right: this project's rules beside the libraries, on its own and the shared corpora.

Arguments: files of one JSON object a line with id, text and expected. Without any: tests/fixtures/replies.jsonl, and
what $MAIL_CORPORA/replies/cases.jsonl holds (when it is there; said so when not).
"""

import json
import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
ROOT = Path(__file__).resolve().parents[2]
SECONDS = 5


def bridge(text: str) -> str:
    from redmine_mailbridge.mail.text.quotes import split_reply

    return split_reply(text).written


def email_reply_parser(text: str) -> str:
    from email_reply_parser import EmailReplyParser

    return EmailReplyParser.parse_reply(text)


def mail_parser_reply(text: str) -> str:
    from mailparser_reply import EmailReplyParser

    known = ["en", "de", "fr", "es", "it", "nl", "pl", "cs", "sv", "da", "ja", "ko", "he"]
    return EmailReplyParser(languages=known).parse_reply(text=text) or ""


def quotequail(text: str) -> str:
    import quotequail as library

    found = library.unwrap(text)
    return text if found is None else found.get("text_top", "")


def unquotemail(text: str) -> str:
    from unquotemail import Unquote

    unquote = Unquote(html=None, text=text)
    unquote.parse()
    return unquote.get_text() or ""


def bridge_html(text: str) -> str:
    from redmine_mailbridge.mail.html.read import read_html

    return read_html(text, {}, "common_mark", ()).written


def quotequail_html(text: str) -> str:
    import quotequail as library

    found = library.unwrap_html(text)
    return plain(text if found is None else found.get("html_top", ""))


def unquotemail_html(text: str) -> str:
    from unquotemail import Unquote

    unquote = Unquote(html=text, text=None)
    unquote.parse()
    return plain(unquote.get_html() or "")


def plain(html: str) -> str:
    import lxml.html

    return "\n".join(lxml.html.fromstring(f"<div>{html}</div>").itertext())


READERS: tuple[Callable[[str], str], ...] = (
    bridge, email_reply_parser, mail_parser_reply, quotequail, unquotemail,
)  # fmt: skip
HTML_READERS: tuple[Callable[[str], str], ...] = (bridge_html, quotequail_html, unquotemail_html)


def letters(text: str) -> str:
    """HTML's answers are compared by their letters and digits: each reader has its own white space and marks."""
    return "".join(sign for sign in text if sign.isalnum())


def fold(text: str) -> str:
    return " ".join(text.split())


def verdict(reader: Callable[[str], str], case: dict[str, str]) -> str:
    try:
        told = reader(case["text"])
    except Exception as error:  # noqa: BLE001  # a library that raises has not read the mail
        return f"raised {type(error).__name__}"
    same = letters if reader in HTML_READERS else fold
    got, expected = same(told), same(case["expected"])
    if case.get("begins") and got.startswith(expected) and len(got) < len(expected) + 20:
        return "right"
    if got == expected:
        return "right"
    return "cut too little" if len(got) > len(expected) else "cut too much"


def run(reader: Callable[[str], str], cases: list[dict[str, str]], queue: "multiprocessing.Queue[str]") -> None:
    for case in cases:
        queue.put(verdict(reader, case))


def guarded(reader: Callable[[str], str], cases: list[dict[str, str]]) -> list[str]:
    """Each case within SECONDS, in a process of its own that is ended when it is not."""
    results: list[str] = []
    while len(results) < len(cases):
        queue: multiprocessing.Queue[str] = multiprocessing.Queue()
        process = multiprocessing.Process(target=run, args=(reader, cases[len(results) :], queue))
        process.start()
        try:
            while len(results) < len(cases):
                results.append(queue.get(timeout=SECONDS))
        except Exception:  # noqa: BLE001  # queue.Empty: out of time
            results.append("out of time")
        process.terminate()
        process.join()
    return results


def table(name: str, cases: list[dict[str, str]], readers: tuple[Callable[[str], str], ...] = READERS) -> None:
    print(f"\n{name}: {len(cases)} cases\n{'':22}right  too much  too little  other")
    for reader in readers:
        results = guarded(reader, cases)
        counts = [results.count(each) for each in ("right", "cut too much", "cut too little")]
        print(f"{reader.__name__:20} {counts[0]:6} {counts[1]:9} {counts[2]:11} {len(cases) - sum(counts):6}")
        if reader is readers[0]:
            for case, result in zip(cases, results, strict=True):
                if result != "right":
                    print(f"    {result}: {case['id']}")


def pages(folder: Path) -> list[dict[str, str]]:
    """Replies as HTML: right is the first line of what it shows, and hardly more (a greeting with a name)."""
    cases = []
    for path in sorted(folder.glob("*.html")):
        html = path.read_text("utf-8", "replace")
        body = html[html.lower().find("<body") :].partition(">")[2]
        first = next((line.strip() for line in plain(body).splitlines() if line.strip()), "")
        cases.append({"id": path.name, "text": html, "expected": first, "begins": "yes"})
    return cases


def main(names: list[str]) -> None:
    replies = Path(os.environ.get("MAIL_CORPORA", ROOT.parent / "shared/corpora")) / "replies"
    shared = replies / "cases.jsonl"
    for path in [Path(name) for name in names] or [ROOT / "tests/fixtures/replies.jsonl", shared]:
        if path.exists():
            table(path.name, [json.loads(line) for line in path.read_text("utf-8").splitlines()])
        else:
            print(f"\n{path.name}: not here, left out")
    if not names:
        own = (ROOT / "tests/fixtures/replies_html.jsonl").read_text("utf-8")
        table("replies_html.jsonl", [json.loads(line) for line in own.splitlines()], HTML_READERS)
        found = pages(replies / "html")
        if found:
            table("replies/html", found, HTML_READERS)
        else:
            print("\nreplies/html: not here, left out")


if __name__ == "__main__":
    main(sys.argv[1:])
