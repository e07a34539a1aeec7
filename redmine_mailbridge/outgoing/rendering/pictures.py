"""A picture of a note as it goes into a mail: scaled, re-encoded and without its metadata (EXIF, places)."""

import hashlib
import io
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
"""Of a picture as it is decoded, by its header: some 100 MB of memory, and twice that while it is converted."""
MOST_ENCODED = 64_000_000
"""Of a JPEG that is decoded at a fraction of its size: its parts may be stored so that all of it is in memory."""
MOST_SCANS = 100
"""Of a progressive JPEG, each of which takes time over all of it in a few bytes; programs write about ten."""
QUALITY = 85


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
            kind = "JPEG" if picture.format == "MPO" else str(picture.format)  # phones add a small one, or a map
            if kind == "JPEG":
                _prepare_jpeg(picture, content, max_width)
            _check_size(picture, MOST_PIXELS)
            ImageOps.exif_transpose(picture, in_place=True)
            plain = _without_metadata(picture, (max_width, 3 * max_width), opaque=kind == "JPEG")
            out = io.BytesIO()
            if kind == "JPEG":
                plain.save(out, "JPEG", quality=QUALITY, optimize=True)
            else:
                plain.save(out, "PNG", optimize=len(content) < 1_000_000)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureUnusable("it has too many pixels") from None
    except PictureUnusable:
        raise
    except Exception as error:  # noqa: BLE001 - the boundary of a picture: a fault of the library costs no mail
        raise PictureUnusable(f"it cannot be read as a picture ({type(error).__name__})") from None
    encoded = out.getvalue()
    shown = ShownPicture(f"{hashlib.sha256(encoded).hexdigest()[:32]}@mailbridge", *plain.size)
    return ScaledPicture(shown, "image/jpeg" if kind == "JPEG" else "image/png", encoded)


def _check_size(picture: "Image.Image", most: int) -> None:
    width, height = picture.size
    if width * height > most:
        raise PictureUnusable(f"it has {width} × {height} pixels")


def _prepare_jpeg(picture: "Image.Image", content: bytes, max_width: int) -> None:
    """Have a JPEG decoded at a half, a quarter … of its size; a progressive one is in memory as a whole anyway."""
    if not picture.info.get("progressive"):
        _check_size(picture, MOST_ENCODED)
        picture.draft("RGB", (max_width, max_width))
    elif content.count(b"\xff\xda") > MOST_SCANS:
        raise PictureUnusable(f"it has more than {MOST_SCANS} scans")


def _without_metadata(picture: "Image.Image", bounds: tuple[int, int], *, opaque: bool) -> "Image.Image":
    """The pixels of a picture alone, scaled to the bounds."""
    if opaque:
        mode = "L" if picture.mode == "L" else "RGB"
    elif picture.mode.startswith(("I", "F")):
        mode = "L"
    else:
        mode = "RGBA" if picture.has_transparency_data else "RGB"
    converted = picture.convert(mode)
    converted.thumbnail(bounds)
    bare = Image.new(mode, converted.size)
    bare.paste(converted)
    return bare
