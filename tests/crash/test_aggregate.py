"""The aggregate task dies before and after each of its side effects; the next run has the same result."""

import threading

import pytest

from redmine_mailbridge import aggregating, app, effects
from redmine_mailbridge.effects import Effect, Moment, watch
from redmine_mailbridge.store.ask import MessageFilter
from tests.crash.letters import batch
from tests.crash.test_boundaries import AGGREGATE, Died, world
from tests.crash.world import World

__all__ = ["world"]
pytestmark = pytest.mark.crash


@pytest.mark.parametrize(("effect", "moment"), AGGREGATE, ids=str)
def test_the_aggregate_is_whole_although_a_run_died(world: World, effect: Effect, moment: Moment) -> None:
    """Ended at a boundary, a run is made good by the next: every hour counts once and every field has its value."""
    world.deliver(batch())
    world.finish()
    world.extra = '[aggregate]\nissue_fields = { hours = "Requester" }\n'
    world.write_settings()
    application = app.build(world.settings())
    task = aggregating.aggregator(
        application.settings, application.store, application.client, application.directory, application.decider
    )
    issues = {row.created_issue for row in application.archive.messages(_all())} - {None}
    activity = next(iter(world.redmine.seed["activities"].values()))
    for number in issues:
        entry = {"issue_id": number, "hours": 1.5, "activity_id": activity}
        world.redmine.admin.call("POST", "/time_entries.json", {"time_entry": entry})

    def stand(which: Effect, where: Moment) -> None:
        if (which, where) == (effect, moment) and armed:
            armed.clear()
            raise Died

    armed = [True]
    watch(stand)
    try:
        with pytest.raises(Died):
            task.once(threading.Event())
        assert task.once(threading.Event()).error is None
        held = aggregating.kept(application.settings, application.store)
        assert dict.fromkeys(issues, 450) == {row.issue: row.ticks for row in held.results.all().values()}
        for number in issues:
            fields = {one["name"]: one["value"] for one in world.redmine.admin.issue(number)["custom_fields"]}
            assert "1.50" == fields["Requester"]
    finally:
        effects._watchers.remove(stand)
        application.close()


def _all() -> MessageFilter:
    return MessageFilter(limit=1000)
