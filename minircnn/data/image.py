"""Read images: any common file in, (H, W, 3) uint8 RGB out, or one sentence that says why not.

Pillow decodes, because it tells a truncated file from a whole one. Every kind of pixel that the network cannot
take (grey, palette, transparent, CMYK, 16-bit) is converted on purpose here, or refused; nothing is misread.
The data set readers ask `image_size`, which reads the header alone; training and detection ask `read_image`.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

from minircnn.base.errors import InputError
from minircnn.base.files import check_regular, read_bytes

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif",
    ".ppm", ".pgm", ".pbm", ".pnm",
)  # fmt: skip
MAX_PIXELS = 100_000_000  # a header that promises more is damaged or hostile; decoding it would take 300 MB

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_ASIDES = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
_HEIF = {
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), "a HEIC photograph"),
    **dict.fromkeys((b"avif", b"avis"), "an AVIF image"),
}
_ORIENTATION = 0x0112  # the EXIF tag; 5 to 8 are the ones that exchange rows and columns
_TIFF_WIDTH, _TIFF_HEIGHT = 0x0100, 0x0101
_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N")


def read_image(path: str | Path) -> np.ndarray:
    """Read an image file.

    Returns
    -------
    (H, W, 3) uint8 array
        RGB, turned upright by its EXIF orientation. Grey is repeated, palettes are looked up, transparent pixels
        are laid on white, 16-bit grey is scaled to 0..255.

    Raises
    ------
    InputError
        The file is missing, empty, truncated, not an image, larger than 100 megapixels, or of a kind that has no
        faithful 8-bit form (32-bit integers, floating point).
    """
    path = Path(path)
    try:
        data = read_bytes(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give the path of an image file") from error
    return decode_image(data, path)


def decode_image(data: bytes, path: str | Path) -> np.ndarray:
    """Decode the bytes of an image file; `path` only names it in errors. See `read_image`."""
    with _opened(_essence(io.BytesIO(data), whole=True), path) as image:
        try:
            _check_strips(image)
            image.load()
        except MemoryError:
            raise
        except Exception as error:  # a decoder raises whatever it stumbles over: OSError, SyntaxError, IndexError…
            raise InputError(
                f"{path}: the image is truncated or damaged ({error}); copy or download the file again"
            ) from error
        pixels = _to_rgb(image, path)
        orientation = _orientation(image)
    if orientation > 1:
        pixels = _upright(pixels, orientation)
    return np.ascontiguousarray(pixels)


def _check_strips(image: Image.Image) -> None:
    """OSError where a TIFF names fewer strips than its height has: Pillow would fill the others with black."""
    if not isinstance(image, TiffImageFile):
        return
    boxes = [tile[1] for tile in image.tile if tile[1]]
    if boxes and max(box[3] for box in boxes) < image.tag_v2[_TIFF_HEIGHT]:
        raise OSError("strips are missing")


def image_size(path: str | Path) -> tuple[int, int]:
    """Read (height, width) in pixels from an image file's header, without decoding the pixels.

    Raises
    ------
    InputError
        The file is missing, empty, not an image, or its header promises more than 100 megapixels.
    """
    path = Path(path)
    try:
        check_regular(path)
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give the path of an image file") from error
    with file, _opened(_essence(file, whole=False), path) as image:
        width, height = image.size
        if isinstance(image, TiffImageFile):  # newer Pillow turns the size of these, and of no others, at once
            width, height = image.tag_v2[_TIFF_WIDTH], image.tag_v2[_TIFF_HEIGHT]
        return (width, height) if _orientation(image) >= 5 else (height, width)


def _essence(file: BinaryIO, whole: bool) -> BinaryIO:
    """The file; of a PNG, a copy without texts and colour profiles, and if not `whole` without pixels.

    They say nothing that is used here, but where they are large or damaged Pillow refuses the image because of them.
    An EXIF block may stand behind the pixels.
    """
    signature = file.read(len(_PNG))
    if signature != _PNG:
        file.seek(0)
        return file
    kept, pixels = bytearray(signature), b""
    end = file.seek(0, io.SEEK_END)  # no block is longer, whatever it says of itself
    file.seek(len(_PNG))
    while len(head := file.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"IDAT" and not whole:
            pixels = pixels or head
        if kind in _PNG_ASIDES or (pixels and kind != b"eXIf"):
            file.seek(length + 4, io.SEEK_CUR)  # 4 bytes of checksum
            continue
        kept += head
        kept += file.read(min(length + 4, end))
    return io.BytesIO(bytes(kept + (pixels or head)))


@contextmanager
def _opened(file: BinaryIO, path: str | Path) -> Iterator[Image.Image]:
    """Open a Pillow image whose header is sound and whose size is bearable; silence Pillow's asides."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(file, formats=FORMATS)
        except Image.DecompressionBombError as error:
            raise InputError(_too_large(path, str(error))) from error
        except MemoryError:
            raise
        except Exception as error:
            file.seek(0)
            if not file.read(1):
                raise InputError(f"{path}: the file is empty; copy or download it again") from error
            file.seek(0)
            if other := _other_kind(file.read(64)):
                raise InputError(f"{path}: {other}") from error
            raise InputError(
                f"{path}: not an image, or its header is damaged; expected one of {', '.join(FORMATS)}"
            ) from error
        with image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise InputError(_too_large(path, f"{width}×{height} pixels"))
            yield image


def _other_kind(start: bytes) -> str:
    """What it is that stands where an image was expected, by its first bytes; empty where nobody can tell."""
    if start[4:8] == b"ftyp" and start[8:12] in _HEIF:
        return f"{_HEIF[start[8:12]]}, which is not read; export it as JPEG or PNG"
    if start.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL ")):
        return "a JPEG XL image, which is not read; export it as JPEG or PNG"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the image itself; run git lfs pull"
    text = start.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html")):
        return "a web page, not an image; download the image itself"
    if text.startswith((b"<svg", b"<?xml")):
        return "an SVG drawing or other XML, which is not read; export it as PNG"
    return "a PDF, which is not read; export its pages as PNG" if start.startswith(b"%PDF") else ""


def _too_large(path: str | Path, found: str) -> str:
    limit = MAX_PIXELS // 1_000_000
    return f"{path}: the header promises too large an image ({found}); at most {limit} megapixels, so shrink it"


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1..8, from what the header holds: `getexif` on its own might decode the whole file."""
    if "exif" not in image.info and image.format != "TIFF":
        return 1
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return 1
    return value if value in range(1, 9) else 1


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    image = Image.fromarray(pixels)
    image.getexif()[_ORIENTATION] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


def _to_rgb(image: Image.Image, path: str | Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a decoded image of any mode."""
    transparent = "transparency" in image.info
    # Pillow opens 16-bit PGM in its 32-bit mode; in other formats that mode holds numbers of unknown range.
    sixteen_bit = image.mode in _SIXTEEN_BIT or (image.mode == "I" and image.format in ("PNG", "PPM"))
    if sixteen_bit and not transparent:
        grey = ((np.arange(2**16) * 255 + 32767) // 65535).astype(np.uint8)[np.asarray(image)]
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode in ("I", "F", "LAB", "HSV") or sixteen_bit:
        raise InputError(
            f"{path}: pixels of kind {image.mode!r} have no faithful 8-bit form; save it as 8-bit RGB or grey"
        )
    if transparent or image.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        colour = image.convert("RGBA")
        white = Image.new("RGBA", colour.size, "white")
        image = Image.alpha_composite(white, colour)
    return np.asarray(image.convert("RGB"))
