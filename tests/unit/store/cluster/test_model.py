"""Every order of events: processes that stop, go on, die and renew late, slow requests, and clocks that differ.

The leases are the program's own, on a database; Redmine and what a process does with a message are modelled: it records
an intent, checks its lease, sends, and records the result, and may be stopped for any time before each of these. What
another process sent is looked up when `SETTLE` has passed since this one took over.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from redmine_mailbridge.store.cluster.leases import Lease, Membership, is_taken
from redmine_mailbridge.util.dataclass import dataclass
from tests.unit.store.catalogs import SERVER, open_catalogs

LEASE, SETTLE = 10.0, 12.0
SLICE = 3.0
NUMBERS = st.integers(0, 1)


@dataclass(slots=True)
class Message:
    """A message, as the store knows it: `sent_at` is when its intent was recorded, by the clock of machine `by`."""

    state: str = "stored"
    by: int = -1
    sent_at: float = 0.0


@dataclass(slots=True)
class Machine:
    """A process on a machine of its own, whose clock runs at its own `rate` and began at another time. `step` is what
    it does next, with the message that it has in hand.
    """

    rate: float
    began: float
    member: Membership | None = None
    held: Lease | None = None
    step: str = "idle"
    stopped: bool = False


class Cluster(RuleBasedStateMachine):
    """Two machines that share a message."""

    checks = True
    """Whether a process checks its lease before it sends."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.folder = Path(tempfile.mkdtemp(prefix="model"))
        SERVER.clock = lambda: 1_000.0 + self.now
        self.database = open_catalogs(self.folder, lease_seconds=LEASE)
        self.machines = [Machine(1.0 + 0.01 * number, 500.0 * number) for number in range(2)]
        self.message = Message()
        self.under_way: list[float] = []
        self.accepted = 0
        self.late: list[str] = []

    def teardown(self) -> None:
        """Close what is open."""
        for machine in self.machines:
            if machine.member is not None:
                machine.member._engine.dispose()
        self.database.close()
        shutil.rmtree(self.folder)
        SERVER.__init__()  # type: ignore[misc]  # as it was

    def clock(self, number: int) -> float:
        """A machine's own time."""
        machine = self.machines[number]
        return machine.began + self.now * machine.rate

    # ------------------------------------------------------------------ what happens around them

    @rule(slices=st.sampled_from([1, 2, 3, 5]))
    def time_passes(self, slices: int) -> None:
        """Processes that are not stopped renew their leases, or take the one that is free; Redmine accepts what has
        arrived."""
        for _ in range(slices):
            self.now += SLICE
            self.accepted += sum(at <= self.now for at in self.under_way)
            self.under_way = [at for at in self.under_way if at > self.now]
            for number, machine in enumerate(self.machines):
                if not machine.stopped:
                    self._renew_or_take(number)

    @rule(number=NUMBERS)
    def stop(self, number: int) -> None:
        """A process is stopped, or can no longer reach the database."""
        self.machines[number].stopped = True

    @rule(number=NUMBERS)
    def die(self, number: int) -> None:
        """A process is killed, and started again; what it has sent arrives."""
        machine = self.machines[number]
        if machine.member is not None:
            machine.member._engine.dispose()
        machine.member, machine.held, machine.step, machine.stopped = None, None, "idle", False

    # ------------------------------------------------------------------ what they do

    def _renew_or_take(self, number: int) -> None:
        machine = self.machines[number]
        member = machine.member
        if member is not None and (member.lost is not None or not member.renew()):
            self.die(number)
            return
        if member is None:
            member = machine.member = Membership(self.database, clock=lambda: self.clock(number))
            member.join()
        if machine.held is None:
            machine.held = member.take("service")

    def _writes(self, machine: Machine) -> bool:
        """A process changes the message in a transaction; without its lease it stops."""
        assert machine.member is not None
        assert machine.held is not None
        with self.database.write() as db:
            return machine.member.fence(db, machine.held)

    @rule(number=NUMBERS, delay=st.sampled_from([0.0, SETTLE - 1.0]))
    @precondition(lambda self: any(machine.held for machine in self.machines))
    def work(self, number: int, delay: float) -> None:
        """A process takes its next step, and goes on if it was stopped: it does not know how much time has passed."""
        machine, message = self.machines[number], self.message
        machine.stopped = False
        if machine.member is None or machine.held is None:
            return
        if machine.step == "idle" and self._may_send(number):
            if self._writes(machine):
                self.message = Message("pending", number, self.clock(number))
                machine.step = "send"
        elif machine.step == "send":
            if not self.checks or machine.member.remaining > 0.0:
                self._sent(machine, delay)
                machine.step = "record"
            else:
                machine.step = "idle"
        elif machine.step == "record":
            machine.step = "idle"
            if self.accepted and message.state == "pending" and self._writes(machine):
                message.state = "done"

    def _may_send(self, number: int) -> bool:
        """Is the message new, or was it looked for and not found after the time that a request may take?"""
        machine, message = self.machines[number], self.message
        assert machine.held is not None
        if message.state != "pending":
            return message.state == "stored"
        since = message.sent_at if message.by == number else machine.held.taken_at
        if self.clock(number) - max(since, machine.held.taken_at) < SETTLE * 1.02:
            return False
        if self.accepted and self._writes(machine):
            message.state = "done"
        return message.state == "pending" and not self.accepted

    def _sent(self, machine: Machine, delay: float) -> None:
        assert machine.held is not None
        with self.database.read() as db:
            if (
                not is_taken(db, "service")
                or db.exec_driver_sql("SELECT number FROM lease").scalar() != machine.held.number
            ):
                self.late.append("a request left after its lease had ended")
        self.under_way.append(self.now + delay)

    # ------------------------------------------------------------------ what must hold

    @invariant()
    def nothing_is_written_without_a_lease(self) -> None:
        """No request leaves after its lease has ended, by the database's clock."""
        assert [] == self.late

    @invariant()
    def once(self) -> None:
        """No message has two requests that Redmine accepts."""
        assert self.accepted + len(self.under_way) <= 1


class Unchecked(Cluster):
    """The same without the check before a request is sent."""

    checks = False


def _run(machine: type[Cluster], **more: Any) -> None:
    quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(
        machine, settings=settings(deadline=None, database=None, suppress_health_check=quiet, derandomize=True, **more)
    )


def test_no_order_of_events_makes_two() -> None:
    """Whatever stops, dies or is late, no request leaves without a lease, and no message is written twice."""
    _run(Cluster, max_examples=40, stateful_step_count=30)


def test_the_check_is_needed() -> None:
    """Without the check before the last bytes, orders of events are found in which a request leaves too late."""
    with pytest.raises(AssertionError):
        _run(Unchecked, max_examples=500, stateful_step_count=15, phases=[Phase.generate])


@pytest.mark.parametrize(("model", "requests"), [(Cluster, 1), (Unchecked, 2)])
def test_a_process_that_is_stopped_before_it_sends(model: type[Cluster], requests: int) -> None:
    """A process stops between its intent and its request, and goes on when another one has looked for the result and
    sent the request: without the check, the message is written twice."""
    cluster = model()
    cluster.time_passes(1)
    first = 0 if cluster.machines[0].held else 1
    cluster.work(first, 0.0)
    cluster.stop(first)
    for _ in range(2):
        cluster.time_passes(5)
    for number in (1 - first, 1 - first, first):
        cluster.work(number, 0.0)
    assert requests == len(cluster.under_way)
    cluster.teardown()
