"""The list of conditions as it is now."""

from redmine_mailbridge.conditions import kinds
from redmine_mailbridge.conditions.condition import Condition, Severity
from redmine_mailbridge.conditions.rules import RULES, Look, bounds
from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.observed.observations import Observations, observe
from redmine_mailbridge.util.printable import printable_line


def conditions_in(observations: Observations, settings: Settings, now: float) -> list[Condition]:
    """Given what was observed, the settings and the time in epoch seconds, return all conditions: the worst first, and
    of the same severity in the order of the kinds.
    """
    look = Look(observations, settings, now)
    return sorted((condition for rule in RULES for condition in rule(look)), key=lambda each: -each.severity)


def current_conditions(store: Store, settings: Settings) -> list[Condition]:
    """Given an open store and the settings, return all conditions. Reads the store in one transaction."""
    now = store.clock()
    try:
        return conditions_in(observe(store.database, bounds(now)), settings, now)
    except StoreError as error:
        return [store_unavailable(error)]


def conditions_without_store(settings: Settings, now: float) -> list[Condition]:
    """Given the settings and the time in epoch seconds, return the conditions before a store exists."""
    nothing = Observations({}, {}, None, {}, {}, {}, {}, {}, {}, None, {})
    return conditions_in(nothing, settings, now)


def store_unavailable(error: StoreError) -> Condition:
    """Given why the store cannot be read, return the condition."""
    return Condition(kinds.STORE_UNAVAILABLE, "", Severity.CRITICAL, None, printable_line(str(error)))
