"""The list of conditions as a monitoring plugin prints it: one line of text and numbers, then details.

The format is that of the Monitoring Plugins Guidelines, which Nagios, Icinga and Checkmk read.
"""

import datetime as dt
from collections import Counter
from collections.abc import Sequence

from redmine_mailbridge.conditions.condition import Condition, Severity, worst

UNKNOWN = 3
"""The exit code when nothing can be determined; the others are the numbers of `Severity`."""
NAME = "MAILBRIDGE"
MOST_NAMED = 5


def plugin_lines(conditions: Sequence[Condition]) -> list[str]:
    """Given all conditions, the worst first, return the lines: one that says it all, with the numbers, and for each
    condition one with its details and one that says what to do.
    """
    counts = Counter(condition.severity for condition in conditions)
    names = [condition.name for condition in conditions if condition.severity > Severity.OK]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    summary = ", ".join(names[:MOST_NAMED]) + more if names else "nothing is wrong"
    numbers = " ".join(f"{each.word}={counts[each]};;;0" for each in (Severity.CRITICAL, Severity.WARNING))
    lines = [f"{NAME} {worst(conditions).name} - {_text(summary)} | {numbers}"]
    for condition in conditions:
        since = f" (since {_local(condition.since)})" if condition.since is not None else ""
        lines.append(f"[{condition.severity.name}] {_text(condition.name)}: {_text(condition.problem)}{since}")
        lines.append(f"  {_text(condition.remedy)}")
    return lines


def unknown_line(reason: str) -> str:
    """Given why nothing can be determined, return the line."""
    return f"{NAME} UNKNOWN - {_text(reason)}"


def _local(moment: float) -> str:
    """Given a time in epoch seconds, return it in the time zone of this machine."""
    return f"{dt.datetime.fromtimestamp(moment).astimezone():%Y-%m-%d %H:%M}"


def _text(line: str) -> str:
    """Without the sign that separates text from numbers."""
    return " ".join(line.replace("|", "/").split())
