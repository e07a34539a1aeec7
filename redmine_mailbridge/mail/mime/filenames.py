"""File names that are safe, one of a kind within the mail, and still in the sender's own script."""

import re
import unicodedata

MAX_LENGTH = 200  # characters; Redmine takes 255
# What Redmine itself replaces in a file name (Attachment#sanitize_filename), done here so that references match.
_REPLACED = re.compile(r"[/?%*:|\"'<>]+")
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}$")
_TYPES = {
    "application/pdf": ".pdf",
    "application/zip": ".zip",
    "application/x-zip-compressed": ".zip",
    "application/gzip": ".gz",
    "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/rtf": ".rtf",
    "application/json": ".json",
    "application/xml": ".xml",
    "application/postscript": ".ps",
    "application/vnd.ms-outlook": ".msg",
    "application/pgp-keys": ".asc",
    "application/pkix-cert": ".cer",
    "application/pgp-encrypted": ".asc",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/wav": ".wav",
    "audio/x-wav": ".wav",
    "audio/ogg": ".ogg",
    "audio/amr": ".amr",
    "image/jpeg": ".jpg",
    "image/jpg": ".jpg",
    "image/pjpeg": ".jpg",
    "image/png": ".png",
    "image/x-png": ".png",
    "image/gif": ".gif",
    "image/bmp": ".bmp",
    "image/tiff": ".tif",
    "image/webp": ".webp",
    "image/heic": ".heic",
    "image/svg+xml": ".svg",
    "image/x-icon": ".ico",
    "text/calendar": ".ics",
    "text/csv": ".csv",
    "text/css": ".css",
    "text/directory": ".vcf",
    "text/enriched": ".txt",
    "text/html": ".html",
    "text/markdown": ".md",
    "text/plain": ".txt",
    "text/rfc822-headers": ".txt",
    "text/richtext": ".txt",
    "text/rtf": ".rtf",
    "text/vcard": ".vcf",
    "text/x-diff": ".diff",
    "text/x-patch": ".patch",
    "text/x-vcard": ".vcf",
    "text/xml": ".xml",
    "message/rfc822": ".eml",
    "message/global": ".eml",
    "message/news": ".eml",
    "message/partial": ".eml",
    "message/delivery-status": ".txt",
    "message/disposition-notification": ".txt",
    "message/feedback-report": ".txt",
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/mpeg": ".mpg",
    "video/3gpp": ".3gp",
}
_FIXED = {
    "text/calendar": "invite.ics",
    "application/ics": "invite.ics",
    "application/ms-tnef": "winmail.dat",
    "application/vnd.ms-tnef": "winmail.dat",
    "application/pgp-signature": "signature.asc",
    "application/pgp-encrypted": "pgp-version.asc",
    "application/pkcs7-signature": "smime.p7s",
    "application/x-pkcs7-signature": "smime.p7s",
    "application/pkcs7-mime": "smime.p7m",
    "application/x-pkcs7-mime": "smime.p7m",
    "message/delivery-status": "delivery-status.txt",
    "message/disposition-notification": "disposition-notification.txt",
    "message/feedback-report": "feedback-report.txt",
    "text/rfc822-headers": "returned-headers.txt",
}
_MAGIC = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x78\x9f\x3e\x22", "application/ms-tnef"),
    (b"BEGIN:VCALENDAR", "text/calendar"),
    (b"BEGIN:VCARD", "text/vcard"),
    (b"{\\rtf", "application/rtf"),
)


def sniff(content_type: str, start: bytes) -> str:
    """Given a declared type and the first bytes, return the type, detected from the bytes if the declared one is
    generic."""
    if content_type not in {"application/octet-stream", "application/unknown", "application/x-unknown"}:
        return content_type
    return next((kind for magic, kind in _MAGIC if start.startswith(magic)), content_type)


def safe(name: str) -> str:
    """Given a name as sent, return its last path component without what harms, "" when nothing is left.

    Control and bidirectional characters go (they make "exe.pdf" look harmless), Redmine's forbidden ones become
    "_", and a long name loses its middle, not its extension.
    """
    name = _HIDDEN.sub("", unicodedata.normalize("NFC", " ".join(name.split())))
    name = name.rstrip("/\\ ").replace("\\", "/").rpartition("/")[2]
    name = _REPLACED.sub("_", name).strip().rstrip(". ")
    if not name.strip("._ "):
        return ""
    return _shorten(name)


def _shorten(name: str) -> str:
    if len(name) <= MAX_LENGTH and len(name.encode()) <= 240:
        return name
    match = _EXTENSION.search(name)
    extension = match[0] if match else ""
    stem = name[: MAX_LENGTH - len(extension)] if len(name) > MAX_LENGTH else name[: len(name) - len(extension)]
    while len((stem + extension).encode()) > 240:
        stem = stem[:-1]
    return stem.rstrip() + extension


class TakenNames:
    """The names that are taken in one mail; two that differ only in case count as the same."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}

    def take(self, proposed_name: str, content_type: str) -> str:
        """Given a proposed name ("" for none) and the type, return a safe name that no other part has."""
        name = safe(proposed_name) or self._by_type(content_type)
        return self._unique(name)

    def _by_type(self, content_type: str) -> str:
        if content_type in _FIXED:
            return _FIXED[content_type]
        main = content_type.partition("/")[0]
        stem = main if main in {"image", "audio", "video", "text", "message"} else "attachment"
        self._counts[stem] = self._counts.get(stem, 0) + 1
        return f"{stem}-{self._counts[stem]}{extension(content_type)}"

    def _unique(self, name: str) -> str:
        match = _EXTENSION.search(name)
        end = match[0] if match else ""
        stem = name[: len(name) - len(end)]
        candidate = name
        key = name.casefold()
        while candidate.casefold() in self._taken:
            self._counts[key] = self._counts.get(key, 1) + 1
            candidate = f"{stem}-{self._counts[key]}{end}"
        self._taken.add(candidate.casefold())
        return candidate


def extension(content_type: str) -> str:
    """Given a type, return the extension that its files have, with its dot."""
    return _TYPES.get(content_type, ".eml" if content_type.startswith("message/") else ".bin")
