"""Mails with what a careful person expects of each, and how many are read so: `reading_cases [--cases DIR] [--show]`.

DIR holds the mails and `cases.jsonl`, a line each: `file`, `right` (in words) and `expect`, which is held against what
`explain --offline --json` says, white space and invisible joiners folded: `text` is the whole text, `has` and `hasnot`
are parts of it, `atts` are the names of the attachments and `atts_has` some of them, `natts` is their number;
`subject`, `frm`, `automatic` and `plan` are compared as they are. The default is ../shared/cases/reading beside the
repository. Ends with 1 when fewer than 97 of 100 are right.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = """
[redmine]
url = "http://127.0.0.1:1"
api_key = "nobody"
text_format = "common_mark"
[mailboxes.support]
address = "support@example.com"
host = "127.0.0.1"
username = "support"
password = "nobody"
[mailboxes.support.issue]
project = "support"
"""


def main(arguments: list[str]) -> int:
    """Read all cases and print the table. Return the exit code."""
    named = arguments[arguments.index("--cases") + 1] if "--cases" in arguments else ""
    folder = Path(named or os.environ.get("MAIL_CASES", "") or ROOT.parent / "shared" / "cases" / "reading")
    if not (folder / "cases.jsonl").exists():
        print(f"reading_cases: no cases in {folder}: NOT RUN (name a folder with --cases)", file=sys.stderr)
        return 0
    cases = [json.loads(line) for line in (folder / "cases.jsonl").read_text("utf-8").splitlines() if line.strip()]
    seen = explained([folder / case["file"] for case in cases])
    wrong = 0
    for case, said in zip(cases, seen, strict=True):
        faults = list(differences(case["expect"], said))
        wrong += bool(faults)
        if faults:
            print(f"{case['id']:24} {case['right']}\n    " + "\n    ".join(faults))
            if "--show" in arguments:
                print(json.dumps(said, indent=2, ensure_ascii=False))
    print(f"\nread as a careful person expects: {len(cases) - wrong} of {len(cases)}")
    return int(wrong > 0.03 * len(cases))


def explained(files: list[Path]) -> list[dict[str, Any]]:
    """Given mails, return what the command says of each."""
    with tempfile.TemporaryDirectory() as scratch:
        settings = Path(scratch) / "settings.toml"
        settings.touch(mode=0o600)
        settings.write_text(SETTINGS)
        command = [sys.executable, "-m", "redmine_mailbridge", "explain", "--offline", "--json"]
        ended = subprocess.run(
            [*command, "--settings", settings, *files], capture_output=True, text=True, check=True, cwd=ROOT
        )
    return [json.loads(line) for line in ended.stdout.splitlines()]


def folded(text: str) -> str:
    """The text without what nobody sees."""
    return re.sub(r"\s+", " ", re.sub("[\u200b\u2060\ufeff]", "", text)).strip()


def differences(expect: dict[str, Any], said: dict[str, Any]) -> list[str]:
    """What is not as expected, in words."""
    text = folded(said["text"])
    names = [one["name"] if isinstance(one, dict) else one for one in said["attachments"]]
    found = {
        "text": text,
        "atts": sorted(names),
        "natts": len(names),
        "subject": folded(said["subject"]),
        "frm": said["from"],
        "automatic": said["automatic"],
        "plan": said["plan"],
    }
    faults = [f"lacks {part!r} in {text[:300]!r}" for part in expect.get("has", []) if folded(part) not in text]
    faults += [f"has {part!r} in {text[:300]!r}" for part in expect.get("hasnot", []) if folded(part) in text]
    faults += [f"lacks the file {name}: {names}" for name in expect.get("atts_has", []) if name not in names]
    for key, got in found.items():
        if key in expect:
            wanted = expect[key]
            wanted = folded(wanted) if key in {"text", "subject"} else sorted(wanted) if key == "atts" else wanted
            if wanted != got:
                faults.append(f"{key}: {got!r}, expected {wanted!r}")
    return faults


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
