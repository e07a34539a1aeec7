"""Everything that shows whether the bridge does what it says; `tests.servers` holds the real servers."""
