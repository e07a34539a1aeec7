"""The aggregate task dies before and after each of its side effects; the next run has the same result."""

import threading

import pytest

from redmine_mailbridge.wiring import aggregate
from redmine_mailbridge.wiring import application as app
from tests.crash.dying import Died, dying
from tests.crash.letters import letter
from tests.crash.test_boundaries import AGGREGATE, world
from tests.crash.world import World

__all__ = ["world"]
pytestmark = [pytest.mark.crash, pytest.mark.newest]  # it dies in the store, not in Redmine


def test_the_aggregate_is_whole_although_a_run_died(world: World) -> None:
    """Ended at each boundary, a run is made good by the next: every hour counts once and every field has its value."""
    world.deliver([letter(), letter()])
    world.finish()
    world.extra = '[aggregate]\nissue_fields = { hours = "Requester" }\n'
    world.write_settings()
    application = app.build(world.settings())
    task = application.hours
    issues = [row.created_issue for row in world.rows() if row.created_issue is not None]
    activity = next(iter(world.redmine.seed["activities"].values()))
    try:
        for number, (effect, moment) in enumerate(AGGREGATE, start=1):
            for issue in issues:
                entry = {"issue_id": issue, "hours": 1.5, "activity_id": activity}
                world.redmine.admin.call("POST", "/time_entries.json", {"time_entry": entry})
            with pytest.raises(Died), dying(effect, moment, 1):
                task.once(threading.Event())
            assert task.once(threading.Event()).error is None
            held = aggregate.kept(application.settings, application.store)
            assert dict.fromkeys(issues, 450 * number) == {
                row.issue: row.units_of_12s for row in held.results.all().values()
            }
            for issue in issues:
                fields = {one["name"]: one["value"] for one in world.redmine.admin.issue(issue)["custom_fields"]}
                assert f"{1.5 * number:.2f}" == fields["Requester"]
    finally:
        application.close()
