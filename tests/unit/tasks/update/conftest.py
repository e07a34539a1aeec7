"""A help desk that sends by a real SMTP server, with the `values` of the module that asks."""

from tests.unit.outgoing.conftest import desk, server, values

__all__ = ["desk", "server", "values"]
