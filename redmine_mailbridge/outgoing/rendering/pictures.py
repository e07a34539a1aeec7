"""A picture of a note as it goes into a mail: scaled, re-encoded and without its metadata (EXIF, places)."""

import hashlib
import io
import struct
import zlib
from dataclasses import field
from typing import TYPE_CHECKING

from redmine_mailbridge.outgoing.rendering.as_html import ShownPicture
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from PIL import Image, ImageOps
else:  # few notes have pictures
    Image = lazy_import("PIL.Image")
    ImageOps = lazy_import("PIL.ImageOps")

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")
"""What is decoded; never SVG, which is a document with scripts, nor formats with interpreters."""
MOST_PIXELS = 25_000_000
"""Of a picture as it is decoded, by its header: about 100 MB of memory."""
QUALITY = 85
_FAULTS = (
    OSError, ValueError, TypeError, SyntaxError, EOFError, IndexError, KeyError, OverflowError, struct.error,
    zlib.error, MemoryError, NotImplementedError, RuntimeWarning,
)  # fmt: skip
"""What the library raises for broken pictures."""


class PictureUnusable(Exception):
    """A file that cannot be shown in place; the text is the reason, for operators."""


@dataclass(frozen=True, slots=True)
class ScaledPicture:
    """A picture as it goes into a mail."""

    shown: ShownPicture
    content_type: str
    content: bytes = field(repr=False)


def scaled(content: bytes, max_width: int) -> ScaledPicture:
    """Given a file, return it as a still picture of at most so many pixels in width, and three times that in height.

    Raise PictureUnusable for another file, a broken picture, or too many pixels, which are known from its header before
    anything is decoded.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
            kind = str(picture.format)
            bounds = (max_width, 3 * max_width)
            if kind == "JPEG":
                picture.draft("RGB", bounds)  # decoded at a half, a quarter … of its size
            width, height = picture.size
            if width * height > MOST_PIXELS:
                raise PictureUnusable(f"it has {width} × {height} pixels")
            upright = ImageOps.exif_transpose(picture)
            plain = _without_metadata(upright, opaque=kind == "JPEG")
            plain.thumbnail(bounds)
            out = io.BytesIO()
            if kind == "JPEG":
                plain.save(out, "JPEG", quality=QUALITY, optimize=True)
            else:
                plain.save(out, "PNG", optimize=len(content) < 1_000_000)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureUnusable("it has too many pixels") from None
    except _FAULTS as error:
        raise PictureUnusable(f"it cannot be read as a picture ({type(error).__name__})") from None
    made = out.getvalue()
    shown = ShownPicture(f"{hashlib.sha256(made).hexdigest()[:32]}@mailbridge", *plain.size)
    return ScaledPicture(shown, "image/jpeg" if kind == "JPEG" else "image/png", made)


def _without_metadata(picture: "Image.Image", *, opaque: bool) -> "Image.Image":
    """The pixels of a picture alone."""
    if opaque:
        mode = "L" if picture.mode == "L" else "RGB"
    elif picture.mode.startswith(("I", "F")):
        mode = "L"
    else:
        mode = "RGBA" if picture.has_transparency_data else "RGB"
    converted = picture.convert(mode)
    bare = Image.new(mode, converted.size)
    bare.paste(converted)
    return bare
