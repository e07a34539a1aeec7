"""Wires the list of conditions for whoever only looks: commands, and `check`."""

import time
from typing import Final

from redmine_mailbridge.conditions.condition import Condition
from redmine_mailbridge.conditions.current import conditions_without_store, current_conditions, store_unavailable
from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.wiring import read_only

PATIENCE: Final = 4.0
"""Seconds that a database has to answer: monitoring systems end what takes longer than ten."""


def list_conditions(settings: Settings) -> list[Condition]:
    """Given settings, return the conditions; a store that is not there yet is not made, and one that cannot be opened
    is a condition.
    """
    try:
        with read_only.store_of(settings, patience=PATIENCE) as store:
            if store is None:
                return conditions_without_store(settings, time.time())
            return current_conditions(store, settings)
    except StoreError as error:
        return [store_unavailable(error)]
