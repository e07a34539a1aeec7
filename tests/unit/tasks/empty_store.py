"""An empty store of this version, made once in a process: to make the tables anew costs more than most tests."""

import tempfile
from functools import cache
from pathlib import Path

from redmine_mailbridge.store.messages import Store


def put_empty_store(file: Path) -> None:
    """Given where a SQLite store is to lie, put an empty one there, unless there is one."""
    if not file.exists():
        file.write_bytes(_empty_store())


@cache
def _empty_store() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "store.db"
        Store.open(f"sqlite:///{file}", Path(folder) / "raw").close()
        return file.read_bytes()
