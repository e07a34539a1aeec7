"""Pictures of notes: scaled within bounds, encoded anew, and never what a file only claims to be."""

import io
import struct
import time
import zlib

import pytest
from PIL import Image

from redmine_mailbridge.outgoing.rendering.pictures import PictureUnusable, scaled

pytestmark = pytest.mark.fault("I19-4")


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    """A picture as a file."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header names this size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10**6)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("kind", "content_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("GIF", "image/png")])
def test_a_wide_picture_is_scaled(kind: str, content_type: str) -> None:
    """At most so wide, in proportion; a small one keeps its size."""
    picture = scaled(encoded(Image.new("RGB", (2000, 1000), "red"), kind), 500)
    with Image.open(io.BytesIO(picture.content)) as shown:
        assert ((500, 250), content_type) == (shown.size, picture.content_type)
    assert (500, 250) == (picture.shown.width, picture.shown.height)
    small = scaled(encoded(Image.new("RGB", (20, 10), "red"), kind), 500)
    assert (20, 10) == (small.shown.width, small.shown.height)


def test_metadata_goes() -> None:
    """No EXIF, place, comment or profile is left; the picture stands upright as EXIF says."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    exif[0x010E] = "my garden"
    content = encoded(Image.new("RGB", (40, 20)), "JPEG", exif=exif, comment=b"my garden", icc_profile=b"my garden")
    assert b"my garden" in content
    picture = scaled(content, 500)
    assert (20, 40) == (picture.shown.width, picture.shown.height)
    assert b"my garden" not in picture.content
    with Image.open(io.BytesIO(picture.content)) as shown:
        assert {} == dict(shown.getexif())
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Comment", "my garden")
    assert b"my garden" not in scaled(encoded(Image.new("RGB", (4, 4)), "PNG", pnginfo=info), 500).content


@pytest.mark.parametrize("size", [(20_000, 20_000), (12_000, 8_000), (6_000, 6_000), (2**31 - 1, 1)])
def test_too_many_pixels(size: tuple[int, int]) -> None:
    """The header is enough to refuse a picture that would fill the memory."""
    began = time.thread_time()
    with pytest.raises(PictureUnusable):
        scaled(bomb(*size), 1200)
    assert time.thread_time() - began < 2.0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no picture",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"\xff\xd8\xff\xe0",
        b"%PDF-1.7",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        encoded(Image.new("RGB", (50, 50)), "PNG")[:60],
        encoded(Image.new("RGB", (500, 500), "red"), "JPEG")[:300],
        encoded(Image.new("RGB", (9, 9)), "TIFF"),
    ],
    ids=range(11),
)
def test_broken_and_other_files(content: bytes) -> None:
    """What is broken, a document or of another format is refused in one line."""
    with pytest.raises(PictureUnusable):
        scaled(content, 1200)


def test_an_animation_is_a_still_picture() -> None:
    """Of an animation, the first picture is shown."""
    frames = [Image.new("P", (30, 30), number) for number in range(5)]
    picture = scaled(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), 1200)
    with Image.open(io.BytesIO(picture.content)) as shown:
        assert ("PNG", 1) == (shown.format, getattr(shown, "n_frames", 1))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_modes(mode: str) -> None:
    """Pictures of every usual mode can be shown; a transparent one stays transparent."""
    picture = scaled(encoded(Image.new(mode, (30, 30)), "PNG"), 10)
    with Image.open(io.BytesIO(picture.content)) as shown:
        assert ((10, 10), mode in {"LA", "RGBA"}) == (shown.size, shown.mode == "RGBA")


@pytest.mark.fault("A30-1")
def test_a_progressive_picture_of_many_scans() -> None:
    """Scans that are repeated without end, some bytes each, would take minutes: they are counted before."""
    content = encoded(Image.new("RGB", (1000, 1000), "red"), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    assert "image/jpeg" == scaled(content, 500).content_type
    with pytest.raises(PictureUnusable, match="scans"):
        scaled(content[:-2] + content[last:-2] * 200 + content[-2:], 500)


@pytest.mark.fault("A30-2")
def test_a_photograph_with_a_second_one_in_its_file() -> None:
    """Phones write a preview or a map of brightness behind the picture: it stays a JPEG."""
    photo = Image.effect_noise((600, 400), 50).convert("RGB")
    content = encoded(photo, "MPO", save_all=True, append_images=[photo.resize((60, 40))])
    with Image.open(io.BytesIO(content)) as opened:
        assert "MPO" == opened.format
    picture = scaled(content, 300)
    assert ("image/jpeg", 300, 200) == (picture.content_type, picture.shown.width, picture.shown.height)


@pytest.mark.fault("A30-3")
def test_how_large_a_jpeg_may_be() -> None:
    """A photograph of 48 million pixels is decoded at a fraction of its size; a progressive one cannot be."""
    plain = Image.new("L", (8000, 6000))
    picture = scaled(encoded(plain, "JPEG"), 1200)
    assert (1200, 900) == (picture.shown.width, picture.shown.height)
    with pytest.raises(PictureUnusable, match="8000 × 6000"):
        scaled(encoded(plain, "JPEG", progressive=True), 1200)
    with pytest.raises(PictureUnusable, match="9000 × 8000"):
        scaled(encoded(Image.new("L", (9000, 8000)), "JPEG"), 1200)


@pytest.mark.fault("A30-4")
def test_any_fault_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the library raises is the picture's fault: the note is mailed."""
    for fault in (AttributeError, ZeroDivisionError, AssertionError, RecursionError, MemoryError):

        def fails(_self: Image.Image, _size: tuple[int, int], fault: type[Exception] = fault) -> None:
            raise fault("x")

        monkeypatch.setattr(Image.Image, "thumbnail", fails)
        with pytest.raises(PictureUnusable, match=fault.__name__):
            scaled(encoded(Image.new("RGB", (9, 9)), "PNG"), 500)
