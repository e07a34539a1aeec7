"""Everything about reading mail: `reading_cases`, `reading_mails`, `reading_replies`, `reading_speed`, one by one.

--corpus DIR is handed to the first two (default: ../shared/corpora beside the repository).
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(arguments: list[str]) -> int:
    corpus = arguments[arguments.index("--corpus") + 1] if "--corpus" in arguments else ""
    default = HERE.parents[2] / "shared" / "corpora"
    env = os.environ | {"MAIL_CORPORA": corpus or os.environ.get("MAIL_CORPORA", "") or str(default)}
    worst = 0
    for name in ("reading_cases", "reading_mails", "reading_replies", "reading_speed"):
        given = arguments if name == "reading_mails" else []
        ended = subprocess.run([sys.executable, HERE / f"{name}.py", *given], env=env, check=False)
        worst = max(worst, ended.returncode)
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
