"""What an opaque S/MIME signature encloses (RFC 8551 section 3.5, CMS SignedData): found in BER, not verified."""

_MAX_DEPTH = 40
_SIGNED = bytes.fromhex("06092a864886f70d010702")
_DATA = bytes.fromhex("06092a864886f70d010701")


def enclosed(data: bytes) -> bytes | None:
    """Given the bytes of an application/pkcs7-mime of signed-data, return the mail part in it, None when unreadable.

    Definite and indefinite lengths, plain and constructed octet strings; linear in the length.
    """
    signed = data.find(_SIGNED, 0, 64)
    if signed < 0:
        return None
    content = data.find(_DATA, signed + len(_SIGNED), signed + 600)
    if content < 0:
        return None
    at = content + len(_DATA)
    wrapper = _header(data, at)
    if wrapper is None or wrapper[0] != 0xA0:
        return None
    return _octets(data, wrapper[1])


def _header(data: bytes, at: int) -> tuple[int, int, int] | None:
    """Given where a value begins, return its tag, where its content begins, and its length (-1: indefinite)."""
    if at + 2 > len(data):
        return None
    tag, length = data[at], data[at + 1]
    at += 2
    if length == 0x80:
        return tag, at, -1
    if length & 0x80:
        count = length & 0x7F
        if count > 6 or at + count > len(data):
            return None
        return tag, at + count, int.from_bytes(data[at : at + count])
    return tag, at, length


def _octets(data: bytes, at: int) -> bytes | None:
    """Given where an octet string begins, return its bytes, its pieces joined."""
    octets: list[bytes] = []
    depth = 0
    while True:
        head = _header(data, at)
        if head is None:
            break
        tag, start, length = head
        if tag == 0x24 and depth < _MAX_DEPTH:  # constructed: its pieces follow
            depth += 1
            at = start
        elif tag == 0x04 and length >= 0:
            octets.append(data[start : start + length])
            at = start + length
            if not depth:
                break
        else:
            break
    return b"".join(octets) or None
