"""What makes a world harder than it need be: wrong clocks, who writes, what stands in a mail, Redmine's errors."""

from dataclasses import dataclass

HOUR, DAY = 3600.0, 86400.0


@dataclass(frozen=True)
class Variant:
    """One way in which a world is hard. Clocks are in seconds ahead of ours, behind where negative.

    `redmine` is Redmine's clock. `date` is that of a proxy in front of it, on a machine of its own, which adds Date
    lines; None: there are none. `ours` is how far ahead our own clock is in the first life; then it is set back.
    `ticket_user`: strangers' mails are written by that user, else each is made a user. `wide`: subjects and texts hold
    characters of 4 bytes. `fails`: Redmine answers requests about some mails with a 500 after each save.
    """

    name: str
    redmine: float = 0.0
    date: float | None = None
    ours: float = 0.0
    ticket_user: str = ""
    wide: bool = False
    fails: bool = False


PLAIN = Variant("plain")
AHEAD = Variant("Redmine 1 h ahead", redmine=HOUR, wide=True, fails=True)
BEHIND = Variant("Redmine 1 h behind", redmine=-HOUR, date=0.0, ticket_user="carol", fails=True)
SET_BACK = Variant("ours set back", ours=HOUR, ticket_user="carol", wide=True)
PROXY = Variant("proxy's Date 1 h ahead", date=HOUR, wide=True, fails=True)
DAY_AHEAD = Variant("Redmine 1 day ahead", redmine=DAY, date=-HOUR, ticket_user="carol", wide=True, fails=True)
HARD = (AHEAD, BEHIND, SET_BACK, PROXY, DAY_AHEAD)


def one_of(number: int, *, users: bool = False, clock: bool = True) -> Variant:
    """Given a number, return the variant whose turn it is, so that the cases of a suite share them.

    `users`: only where strangers become users. `clock`: also where our own clock is set back.
    """
    fit = [one for one in HARD if not (users and one.ticket_user) and (clock or not one.ours)]
    return fit[number % len(fit)]
