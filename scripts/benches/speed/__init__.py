"""What the speed benches share: real servers, mails written straight into a Maildir, runs that are measured."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))
