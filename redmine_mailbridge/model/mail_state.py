"""The life cycle of a message: its states and transitions. Each change checks them here; see transitions.py.

    (on the server)
         │ keep: raw bytes fsynced, then the row
         ▼
       STORED ────────────── intend: the request is written down ───────────────▶ WRITE_PENDING
         │ ▲                                                                       │   │
         │ └─ retry, by an admin or by dragging it back ─┐      search; not found: │   │ done
         │                                               │      write again ◀──────┘   │
         ├── ignore (with its reason) ──────────────▶ DONE ◀───────────────────────────┘
         ├── refuse ───────▶ REJECTED ───────────────────┤      and from WRITE_PENDING too:
         ├── hold ─────────▶ HELD ───────────────────────┤      refuse (rejected by Redmine),
         └── fail ─────────▶ FAILED ─────────────────────┘      fail (too many tries)

An ignored message goes back to STORED if an admin wants it imported after all, and so does one that is to be written to
another issue; if what an admin decided is undone, the message is HELD for another decision, or DONE as it was before.

A message goes back from WRITE_PENDING to STORED if certainly nothing was written, and is decided again. A retry of a
rejected or failed message that may have been written goes to WRITE_PENDING, so that the result is verified.

A message that the server does not return while others arrive is STORED without bytes, and fetched again.

A message of a mailbox that is paused, because its settings do not fit Redmine, stays STORED (see pauses.py).

Deferring is not a state: STORED and WRITE_PENDING rows have the time of their next try. Filing is not a state either: a
row in DONE, REJECTED or FAILED is filed once, last of all, and stores when. DONE goes to the success folder, REJECTED
and FAILED to the failure folder, HELD stays in place until an admin decides.
"""

from enum import StrEnum


class State(StrEnum):
    """The state of a message. The value is used in the database and by `messages --state`."""

    STORED = "stored"
    WRITE_PENDING = "write_pending"
    DONE = "done"
    REJECTED = "rejected"
    HELD = "held"
    FAILED = "failed"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.STORED: frozenset({State.WRITE_PENDING, State.DONE, State.REJECTED, State.HELD, State.FAILED}),
    State.WRITE_PENDING: frozenset({State.WRITE_PENDING, State.STORED, State.DONE, State.REJECTED, State.FAILED}),
    State.DONE: frozenset({State.STORED, State.HELD}),
    State.REJECTED: frozenset({State.STORED, State.WRITE_PENDING}),
    State.HELD: frozenset({State.STORED, State.REJECTED}),
    State.FAILED: frozenset({State.STORED, State.WRITE_PENDING}),
}

BEGINS = (State.STORED, State.FAILED)
"""The initial states: a message that the server does not return may fail at once."""
OPEN = (State.STORED, State.WRITE_PENDING)
CLOSED = (State.DONE, State.REJECTED, State.FAILED)
LONGEST_PAUSE = 1800.0
"""The maximum that `pause_after` returns, in seconds."""


def pause_after(tries: int) -> float:
    """Given the number of tries, return the pause before the next try in seconds: 15 s doubling up to 30 min."""
    return min(15.0 * 2.0 ** min(tries - 1, 20), LONGEST_PAUSE)
