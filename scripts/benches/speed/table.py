"""A table of what was measured beside what was aimed at."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """One line: what was measured, in which unit, and the least or most that it may be, if there is a goal."""

    what: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool:
        """Is it as good as it should be? Always, without a goal."""
        return not (
            (self.at_least is not None and self.value < self.at_least)
            or (self.at_most is not None and self.value > self.at_most)
        )


def print_goals(goals: Sequence[Goal], *, judge: bool = True) -> int:
    """Given lines, print them as a table in Markdown. Return 1 if a goal is missed and that is to be judged."""
    print("| measured | value | goal | |\n|---|---:|---:|---|")
    for goal in goals:
        sign = f"≥ {goal.at_least:g}" if goal.at_least is not None else ""
        sign = f"≤ {goal.at_most:g}" if goal.at_most is not None else sign
        aim = f"{sign} {goal.unit}" if sign else ""
        verdict = ("met" if goal.met else "MISSED") if sign else ""
        print(f"| {goal.what} | {goal.value:.2f} {goal.unit} | {aim} | {verdict} |")
    return int(judge and not all(goal.met for goal in goals))
