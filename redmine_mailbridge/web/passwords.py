"""The local admin password: kept as a scrypt hash (RFC 7914), compared in constant time."""

import base64
import hashlib
import hmac
import os
from pathlib import Path

from redmine_mailbridge.errors import SettingsError

_N, _R, _P = 2**15, 8, 1
SHORTEST = 10


def hashed(password: str) -> str:
    """Given a password, return the line that is kept: scheme, parameters, salt and hash."""
    salt = os.urandom(16)
    digest = _scrypt(password, salt, _N, _R, _P)
    parts = (str(_N), str(_R), str(_P), base64.b64encode(salt).decode(), base64.b64encode(digest).decode())
    return "scrypt$" + "$".join(parts)


def matches(password: str, line: str) -> bool:
    """Given a password and a kept line, return whether they match. A line of another format matches nothing."""
    try:
        scheme, n, r, p, salt, kept = line.strip().split("$")
        if scheme != "scrypt" or int(n) > 2**20 or int(r) > 32 or int(p) > 16:
            return False
        digest = _scrypt(password, base64.b64decode(salt), int(n), int(r), int(p))
        return hmac.compare_digest(digest, base64.b64decode(kept))
    except ValueError:
        return False


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=256 * n * r + 2**20, dklen=32)


def keep(file: Path | None, password: str) -> Path:
    """Given the file of the settings and a new password, write its hash there, for its owner only. Return the file.

    Raise SettingsError when no file is named, or the password is too short.
    """
    if file is None:
        raise SettingsError(
            '[admin] password_hash_file is not given: add password_hash_file = "secrets/admin-password" to [admin]'
        )
    if len(password) < SHORTEST:
        raise SettingsError(f"the password is too short: {SHORTEST} characters at least")
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = file.with_name(f"{file.name}.part")
    part.touch(mode=0o600)
    part.write_text(hashed(password) + "\n", "ascii")
    part.replace(file)
    return file
