"""How well mails are read: subject, sender, attachments, text, charset, automatic mail; beside other readers.

Measured on the project's own fixtures, and on the shared corpora when they are there. --corpus DIR names them
(default: ../shared/corpora beside the repository); -v prints every disagreement.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

from mail_readers import READERS, Seen, seen_by  # noqa: E402  beside this script
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

CONSOLE = Console(width=110)
VERBOSE = False


def fold(text: str) -> str:
    """White space folded, and what makes Redmine's syntax inert taken out."""
    return " ".join(text.replace("\u2060", "").replace("\\", "").split())


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def show(title: str, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    table = Table(title=title, title_justify="left", title_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if not number else "right")
    for row in rows:
        table.add_row(*map(str, row))
    CONSOLE.print(table)


def differ(what: str, reader: str, file: str, expected: object, actual: object) -> None:
    if VERBOSE and reader == "bridge":
        print(f"  {file}: {what}: expected {expected!r}, saw {actual!r}")


def compare(
    title: str, cases: list[tuple[str, bytes, str, dict[str, Any]]], checks: dict[str, Callable[..., bool]]
) -> None:
    """Given cases of (file, bytes, preferred text, expected) and a check a column, print who agrees how often."""
    rows = []
    for reader in READERS:
        good = dict.fromkeys(checks, 0)
        of = dict.fromkeys(checks, 0)
        raised = 0
        for file, raw, prefer, expected in cases:
            seen = seen_by(reader, raw, prefer)
            raised += bool(seen.error)
            for name, check in checks.items():
                if name not in expected:
                    continue
                of[name] += 1
                if not seen.error and check(expected[name], seen):
                    good[name] += 1
                else:
                    differ(name, reader.__name__, file, expected[name], getattr(seen, name))
        rows.append([reader.__name__, *(f"{good[name]}/{of[name]}" for name in checks), raised])
    show(f"{title} ({len(cases)} cases)", ["reader", *checks, "raised"], rows)


def same_subject(expected: str, seen: Seen) -> bool:
    return fold(expected) == fold(seen.subject)


def same_sender(expected: str, seen: Seen) -> bool:
    return expected.lower() == seen.sender.lower()


def safe(name: str) -> str:
    from redmine_mailbridge.mail.mime.filenames import safe as made

    return " ".join(made(name).split())


def same_files(expected: list[str], seen: Seen) -> bool:
    return sorted(map(safe, expected)) == sorted(map(safe, seen.attachments))


def same_text(expected: str, seen: Seen) -> bool:
    return fold(expected) == fold(seen.text)


def own() -> None:
    folder = ROOT / "tests" / "fixtures" / "mails"
    expectations = lines(folder / "expected.jsonl")
    cases = [(one["file"], (folder / one["file"]).read_bytes(), "text", one) for one in expectations]
    compare("The project's own fixtures", cases, {
        "subject": same_subject, "sender": same_sender, "attachments": same_files, "text": same_text,
    })  # fmt: skip


def zammad(folder: Path) -> None:
    cases = []
    for one in lines(folder / "expected.jsonl"):
        expected = {"subject": one.get("subject") or "", "attachments": [
            file["name"] for file in one.get("attachments", []) if file["name"] != "message.html"
        ]}  # fmt: skip
        if one.get("from_email"):
            expected["sender"] = one["from_email"]
        cases.append((one["file"], (folder / one["file"]).read_bytes(), "text", expected))
    compare("Mails that broke a help desk once", cases, {
        "subject": same_subject, "sender": same_sender, "attachments": same_files,
    })  # fmt: skip


def redmine(folder: Path) -> None:
    cases = []
    for one in lines(folder / "cases.jsonl"):
        issue = one.get("issue")
        if one["outcome"] != "created" or one.get("mutated") or not issue:
            continue
        prefer = (one.get("settings") or {}).get("mail_handler_preferred_body_part", "plain").replace("plain", "text")
        expected: dict[str, Any] = {"subject": issue["subject"]}
        expected["attachments"] = [file["filename"] for file in issue.get("attachments", [])]
        if not one["file"].startswith("ticket_"):  # keywords are taken out of those, later than here
            expected["text"] = issue["description"]["text"]
        cases.append((one["id"], (folder / "mails" / one["file"]).read_bytes(), prefer, expected))
    compare("What Redmine's own reader made of them", cases, {
        "subject": lambda expected, seen: same_subject(expected, Seen(seen.subject[:255])),
        "attachments": same_files, "text": same_text,
    })  # fmt: skip


def stalwart(folder: Path) -> None:
    from redmine_mailbridge.mail.mime import structure
    from redmine_mailbridge.mail.mime.headers import Headers
    from redmine_mailbridge.mail.mime.parts import PartClassifier
    from redmine_mailbridge.mail.text.body import TextPart

    good = dict.fromkeys(("text parts", "HTML parts", "files"), 0)
    of = dict.fromkeys(good, 0)
    for path in sorted(folder.glob("*.json")):
        tree = json.loads(path.read_text("utf-8"))
        root = structure.scan(path.with_suffix(".eml").read_bytes())
        found = PartClassifier(Headers(root.fields).fallback).sort(root)
        texts: list[TextPart] = []
        for element in found.elements:
            texts += [element] if isinstance(element, TextPart) else [*element.text, *element.html]
        bodies = set(tree["text_body"]) | set(tree["html_body"])
        files = 0
        for number, part in enumerate(tree["parts"]):
            kind, content = next(iter(part["body"].items()), ("", "")) if isinstance(part["body"], dict) else ("", "")
            if kind in {"Text", "Html"} and number in bodies and str(content).strip():
                name = "text parts" if kind == "Text" else "HTML parts"
                of[name] += 1
                if fold(content) in {fold(one.content) for one in texts if one.is_html == (kind == "Html")}:
                    good[name] += 1
                else:
                    differ(name, "bridge", path.stem, fold(content)[:300], [fold(one.content)[:300] for one in texts])
            elif (kind and kind != "Multipart" and number not in bodies) or kind in {
                "Binary",
                "InlineBinary",
                "Message",
            }:
                files += bool(content)
        of["files"] += 1
        if files == len(found.files):
            good["files"] += 1
        else:
            differ("files", "bridge", path.stem, files, [(one.wanted, one.content_type) for one in found.files])
    show("Parse trees of another parser", ["reader", *good], [["bridge", *(f"{good[one]}/{of[one]}" for one in good)]])


def plain(corpus: Path) -> None:
    rows = []
    mails = sorted(corpus.rglob("*.eml"))
    for reader in READERS:
        seen = [seen_by(reader, path.read_bytes()) for path in mails]
        rows.append([reader.__name__, len(mails), sum(1 for one in seen if one.error)])
    show("Raised, over all mails", ["reader", "mails", "raised"], rows)


def automatic(corpus: Path) -> None:
    from redmine_mailbridge.mail.parse import read
    from redmine_mailbridge.model.mail import AutomaticKind, ReadingOptions

    options = ReadingOptions()
    known = {(corpus / "automatic" / one["file"]).read_bytes() for one in lines(corpus / "automatic" / "signals.jsonl")}
    found = {raw for raw in known if not (verdict := read(raw, options).automatic).answerable or verdict.kind}
    others = {path.read_bytes(): path for path in corpus.rglob("*.eml")}
    people = [raw for raw in others if raw not in known]
    accused = [raw for raw in people if read(raw, options).automatic.kind not in {None, AutomaticKind.LIST}]
    for raw in [*(known - found), *accused]:
        verdict = read(raw, options).automatic
        differ("automatic", "bridge", str(others[raw].name), raw in known, f"{verdict.kind} {verdict.rule}")
    show("Automatic mail", ["reader", "found", "people accused"], [
        ["bridge", f"{len(found)}/{len(known)}", f"{len(accused)}/{len(people)}"],
        ["Redmine's rule", _redmine_rule(known), _redmine_rule(people)],
    ])  # fmt: skip


def _redmine_rule(mails: Iterable[bytes]) -> str:
    import email

    mails = list(mails)
    hits = 0
    for raw in mails:
        message = email.message_from_bytes(raw)
        submitted = str(message.get("Auto-Submitted", "")).lower()
        hits += submitted.startswith(("auto-replied", "auto-generated")) or message.get("X-Autoreply") == "yes"
    return f"{hits}/{len(mails)}"


def main() -> None:
    global VERBOSE  # noqa: PLW0603  a script's switch
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, default=ROOT.parent / "shared" / "corpora")
    parser.add_argument("-v", "--verbose", action="store_true")
    given = parser.parse_args()
    VERBOSE = given.verbose
    own()
    if not given.corpus.is_dir():
        print(f"{given.corpus} is not there: only the project's own fixtures were measured")
        return
    zammad(given.corpus / "mails" / "zammad")
    redmine(given.corpus / "redmine")
    stalwart(given.corpus / "mails" / "stalwart")
    plain(given.corpus)
    automatic(given.corpus)


if __name__ == "__main__":
    main()
