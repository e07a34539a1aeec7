"""Real Redmine, Dovecot and PostgreSQL on loopback, and a proxy that breaks connections on command.

Knows how to get, start, seed and end servers, and nothing of the bridge: `scripts/services`, `scripts/demo`,
the benchmarks and the pytest fixtures all use it. `services.up(...)` returns the state that describes them.
"""
