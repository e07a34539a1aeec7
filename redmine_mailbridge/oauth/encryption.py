"""Keeps tokens secret where they lie: Fernet (AES-128-CBC with HMAC-SHA256) under a key in a file of its own.

The file holds one key a line. The first seals; all of them open, so that a new key can be put above the old one.
"""

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from cryptography import fernet
else:
    fernet = lazy_import("cryptography.fernet")


class Unsealable(Exception):
    """What is kept was sealed under another key, or spoiled."""


class Encryption:
    """Given the key's file, seal and open. The file is made, for its owner alone, when it is missing.

    Raise SettingsError when it cannot be read or made, holds no key, or can be read by others.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._fernet: Any = None

    def encrypt(self, values: dict[str, Any]) -> bytes:
        """Given plain values, return them sealed."""
        sealed: bytes = self._key().encrypt(json.dumps(values).encode())
        return sealed

    def decrypt(self, sealed: bytes) -> dict[str, Any]:
        """Given what was sealed, return the values. Raise Unsealable when the key is another one."""
        try:
            values = json.loads(self._key().decrypt(sealed))
        except (fernet.InvalidToken, ValueError):
            raise Unsealable(f"was sealed under another key than that of {self._file}") from None
        if not isinstance(values, dict):
            raise Unsealable("is not what it should be")
        return values

    def _key(self) -> Any:
        if self._fernet is None:
            try:
                lines = [line.strip() for line in _read_or_make(self._file).splitlines() if line.strip()]
                self._fernet = fernet.MultiFernet([fernet.Fernet(line) for line in lines])
            except OSError as error:
                words = error.strerror or type(error).__name__
                raise SettingsError(f"[store] token_key_file {self._file}: {words}") from None
            except ValueError:
                words = "holds no key; a key is 32 random bytes in URL-safe base64"
                raise SettingsError(f"[store] token_key_file {self._file}: {words}") from None
        return self._fernet


def _read_or_make(file: Path) -> str:
    """Return the file's text; when there is none, make one that appears whole, whoever else makes one meanwhile."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(fernet.Fernet.generate_key() + b"\n")
                opened.flush()
                os.fsync(opened.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(new, file)  # unlike a rename, it replaces no other file
        finally:
            new.unlink()
    if file.stat().st_mode & 0o077:
        raise SettingsError(f"[store] token_key_file {file}: others can read it; chmod 600 {file}")
    return file.read_text("utf-8")
