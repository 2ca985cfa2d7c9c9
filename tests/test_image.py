"""Images of every kind are converted on purpose or refused with a sentence; none is misread."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from minircnn.base.errors import InputError
from minircnn.data.image import MAX_PIXELS, decode_image, image_size, read_image


def _random(shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def _png_header(width, height):
    """A PNG whose header promises a size and whose pixels are missing."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"")
    chunks = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, data, b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_rgb_png_is_returned_as_it_is(tmp_path):
    pixels = _random((20, 30, 3))
    Image.fromarray(pixels).save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png")
    assert read.dtype == np.uint8
    assert read.flags.c_contiguous
    np.testing.assert_array_equal(read, pixels)


def test_rgb_jpeg_keeps_channel_order(tmp_path):
    Image.new("RGB", (16, 16), (200, 20, 20)).save(tmp_path / "a.jpg")
    np.testing.assert_allclose(read_image(str(tmp_path / "a.jpg"))[8, 8], (200, 20, 20), atol=3)


def test_grey_is_repeated(tmp_path):
    grey = _random((9, 7))
    Image.fromarray(grey).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.repeat(grey[:, :, None], 3, axis=2))


def test_one_bit_becomes_black_and_white(tmp_path):
    bits = _random((9, 7)) > 127
    Image.fromarray(bits).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png")[:, :, 1], bits * 255)


def test_palette_is_looked_up(tmp_path):
    image = Image.new("P", (4, 4), 3)
    image.putpalette([0] * 9 + [10, 120, 240])
    image.save(tmp_path / "a.png")
    assert (read_image(tmp_path / "a.png") == (10, 120, 240)).all()


def test_transparent_palette_is_laid_on_white(tmp_path):
    image = Image.new("P", (2, 1), 0)
    image.putpalette([0, 0, 0, 10, 120, 240])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png", transparency=0)
    assert read_image(tmp_path / "a.png").tolist() == [[[255, 255, 255], [10, 120, 240]]]


def test_rgba_is_laid_on_white(tmp_path):
    pixels = np.array([[[100, 50, 0, 255], [100, 50, 0, 0], [100, 50, 0, 51]]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").tolist() == [[[100, 50, 0], [255, 255, 255], [224, 214, 204]]]


def test_grey_with_alpha_is_laid_on_white(tmp_path):
    image = Image.merge("LA", [Image.new("L", (2, 2), 10), Image.new("L", (2, 2), 0)])
    image.save(tmp_path / "a.png")
    assert (read_image(tmp_path / "a.png") == 255).all()


def test_cmyk_is_converted(tmp_path):
    Image.new("RGB", (16, 16), (220, 30, 60)).convert("CMYK").save(tmp_path / "a.jpg")
    np.testing.assert_allclose(read_image(tmp_path / "a.jpg")[8, 8], (220, 30, 60), atol=6)


def test_16_bit_grey_png_is_scaled(tmp_path):
    Image.fromarray(np.array([[0, 128, 32768, 65535]], np.uint16)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[0].tolist() == [[0] * 3, [0] * 3, [128] * 3, [255] * 3]


def test_16_bit_grey_pgm_is_scaled(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 65535\n" + struct.pack(">2H", 32768, 65535))
    assert read_image(tmp_path / "a.pgm")[0, :, 0].tolist() == [128, 255]


def test_16_bit_rgb_png_is_scaled(tmp_path):
    rows = b"\0" + struct.pack(">3H", 65535, 32768, 0)
    png = _png_header(1, 1).replace(b"\x08\x02\x00\x00\x00", b"\x10\x02\x00\x00\x00", 1)
    header = png[12:29]
    idat = b"IDAT" + zlib.compress(rows)
    chunks = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, idat, b"IEND")]
    (tmp_path / "a.png").write_bytes(png[:8] + b"".join(chunks))
    assert read_image(tmp_path / "a.png").tolist() == [[[255, 128, 0]]]


@pytest.mark.parametrize(("dtype", "kind"), [(np.int32, "I"), (np.float32, "F")])
def test_32_bit_pixels_are_refused(tmp_path, dtype, kind):
    Image.fromarray(np.ones((20, 20), dtype)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=rf"a\.tif: pixels of kind '{kind}'.*save it as 8-bit"):
        read_image(tmp_path / "a.tif")


def _saved(path, image, orientation, late):
    exif = Image.Exif()
    exif[0x0112] = orientation
    if not late:
        return image.save(path, exif=exif)
    buffer = io.BytesIO()  # an EXIF block behind the pixels, as some phones' programs write it
    image.save(buffer, "PNG")
    return path.write_bytes(_with_chunks(buffer.getvalue(), (b"eXIf", exif.tobytes()[6:], True), after=b"IDAT"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.png", "late.png"])
def test_exif_orientation_turns_pixels_and_size_alike(tmp_path, name, orientation):
    _saved(tmp_path / name, Image.fromarray(_random((20, 30, 3))), orientation, late=name == "late.png")
    _saved(tmp_path / f"straight-{name}", Image.fromarray(_random((20, 30, 3))), 1, late=False)
    stored = np.asarray(Image.open(tmp_path / f"straight-{name}"))
    turned = {
        1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1],
        5: stored.swapaxes(0, 1), 6: np.rot90(stored, -1), 7: np.rot90(stored, 2).swapaxes(0, 1), 8: np.rot90(stored),
    }[orientation]  # fmt: skip
    np.testing.assert_array_equal(read_image(tmp_path / name), turned)
    assert image_size(tmp_path / name) == turned.shape[:2]


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_truncated_image_is_refused(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(_random((64, 64, 3))).save(path)
    path.write_bytes(path.read_bytes()[:-1500])
    with pytest.raises(InputError, match=rf"a\.{suffix}: the image is truncated or damaged.*again"):
        read_image(path)


def test_damaged_png_is_refused(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(_random((64, 64, 3))).save(path)
    data = bytearray(path.read_bytes())
    data[100:140] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.png: the image is truncated or damaged"):
        read_image(path)


@pytest.mark.parametrize("read", [read_image, image_size])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read"),
        (b"", "the file is empty"),
        (b"this is a text", "not an image"),
        (b"\xff\xd8\xff\xe0", "not an image"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "a HEIC photograph.* export it as JPEG"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1" + bytes(99), "an AVIF image"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99), "a JPEG XL image"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "a Git LFS pointer"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"%PDF-1.7", "a PDF"),
        (_png_header(20_000, 20_000), "too large an image"),
        (_png_header(12_000, 9_000), "too large an image"),
        (_png_header(1, MAX_PIXELS + 1), "too large an image"),
    ],
    ids=[
        "missing",
        "empty",
        "text",
        "jpeg start only",
        "heic",
        "avif",
        "jxl",
        "lfs",
        "html",
        "svg",
        "pdf",
        "400 Mpx",
        "108 Mpx",
        "long",
    ],
)
def test_unusable_file_is_refused_by_name(tmp_path, read, content, sentence):
    if content is not None:
        (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.jpg: .*{sentence}"):
        read(tmp_path / "a.jpg")


def test_folder_in_place_of_an_image_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path)


def test_image_size_reads_the_header_alone(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(_random((64, 48, 3))).save(path)
    path.write_bytes(path.read_bytes()[:700])
    assert image_size(path) == (64, 48)


def test_decode_image_equals_read_image(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(_random((20, 30, 3))).save(buffer, "JPEG")
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    np.testing.assert_array_equal(decode_image(buffer.getvalue(), "a.jpg"), read_image(tmp_path / "a.jpg"))


def _with_chunks(png, *chunks, after=b"IHDR"):
    """The PNG with more chunks, each (kind, content, sound checksum?), behind its first `after`."""
    at = png.index(after) - 4
    end = at + 12 + int.from_bytes(png[at : at + 4], "big")
    extra = b""
    for kind, content, sound in chunks:
        checksum = zlib.crc32(kind + content) ^ (0 if sound else 1)
        extra += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
    return png[:end] + extra + png[end:]


ASIDES = {
    "a long text, compressed": (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1_500_000)), True),
    "a very long text": (b"tEXt", b"Comment\0" + b"x" * 80_000_000, True),
    "a long international text": (b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(1_500_000)), True),
    "a large colour profile": (b"iCCP", b"camera\0\0" + zlib.compress(bytes(1_500_000)), True),
    "a text that is damaged": (b"zTXt", b"Comment\0\0nonsense", True),
    "a text of a wrong checksum": (b"tEXt", b"Comment\0text", False),
}


@pytest.mark.parametrize("after", [b"IHDR", b"IDAT"])
@pytest.mark.parametrize("chunk", ASIDES.values(), ids=ASIDES)
def test_what_stands_beside_the_pixels_of_a_png_does_not_matter(chunk, after, tmp_path):
    pixels = _random((20, 30, 3))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    (tmp_path / "a.png").write_bytes(_with_chunks(buffer.getvalue(), chunk, after=after))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), pixels)
    assert image_size(tmp_path / "a.png") == (20, 30)


def test_a_png_keeps_its_transparency_and_orientation(tmp_path):
    image = Image.fromarray(_random((8, 12, 3)))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.png", exif=exif, transparency=(0, 0, 0))
    assert image_size(tmp_path / "a.png") == (12, 8)
    assert read_image(tmp_path / "a.png").shape == (12, 8, 3)
