"""The life of a mail: its states, and which may follow which. Each change looks that up here; see transitions.py.

    (on the server)
         │ keep: raw bytes fsynced, then the row
         ▼
       KEPT ──────────────── intend: the request is written down ───────────────▶ WRITING
         │ ▲                                                                       │   │
         │ └─ retry, by an admin or by dragging it back ─┐      look; not there:   │   │ done
         │                                               │      write again ◀──────┘   │
         ├── ignore (with its reason) ──────────────▶ DONE ◀───────────────────────────┘
         ├── refuse ───────▶ REFUSED ────────────────────┤      and from WRITING too:
         ├── hold ─────────▶ HELD ───────────────────────┤      refuse (Redmine said no for good),
         └── set aside ────▶ ASIDE ──────────────────────┘      set aside (too many tries)

One that was ignored goes back to KEPT when an admin wants it imported after all.

A mail goes back from WRITING to KEPT when it is known that nothing was written, and it is decided anew. A retry of a
mail that was refused or set aside, and may have been written all the same, goes to WRITING, so that it is looked for.

A mail that the server does not hand out while others come is KEPT without bytes, and fetched anew.

A mail of a mailbox that is paused, since its settings do not fit Redmine, stays KEPT (see pauses.py).

Deferring is no state: KEPT and WRITING rows carry the time of their next try. Filing is no state either: a row
in DONE, REFUSED or ASIDE is filed once, last of all, and remembers when. DONE goes to the success folder, REFUSED
and ASIDE to the failure folder, HELD stays where it is until an admin decides.
"""

from enum import StrEnum


class State(StrEnum):
    """Where a mail stands. The value is what the database and `messages --state` say."""

    KEPT = "kept"
    WRITING = "writing"
    DONE = "done"
    REFUSED = "refused"
    HELD = "held"
    ASIDE = "aside"


FOLLOWS: dict[State, frozenset[State]] = {
    State.KEPT: frozenset({State.WRITING, State.DONE, State.REFUSED, State.HELD, State.ASIDE}),
    State.WRITING: frozenset({State.WRITING, State.KEPT, State.DONE, State.REFUSED, State.ASIDE}),
    State.DONE: frozenset({State.KEPT}),
    State.REFUSED: frozenset({State.KEPT, State.WRITING}),
    State.HELD: frozenset({State.KEPT, State.REFUSED}),
    State.ASIDE: frozenset({State.KEPT, State.WRITING}),
}

BEGINS = (State.KEPT, State.ASIDE)
"""Where a mail's life begins: one that the server does not hand out may be set aside at once."""
OPEN = (State.KEPT, State.WRITING)
CLOSED = (State.DONE, State.REFUSED, State.ASIDE)
LONGEST_PAUSE = 1800.0
"""Seconds that `pause_after` gives at most."""


def pause_after(tries: int) -> float:
    """Given how often it was tried, return the pause before the next try in seconds: 15 s doubling up to 30 min."""
    return min(15.0 * 2.0 ** min(tries - 1, 20), LONGEST_PAUSE)
