"""Pictures as JPEG files that say in a comment that `minircnn detect` drew them."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from minircnn.base.errors import InputError

MADE_BY = "minircnn detect"
QUALITY = 92


def is_own_picture(path: Path) -> bool:
    """Whether `minircnn detect` drew this file."""
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            return image.info.get("comment") == MADE_BY.encode()
    except Exception:  # whatever this is, detect did not make it
        return False


def jpeg(picture: np.ndarray, target: Path) -> bytes:
    """The bytes of one; InputError, which names `target`, where its size cannot be encoded."""
    buffer = io.BytesIO()
    try:
        Image.fromarray(picture).save(buffer, "JPEG", quality=QUALITY, comment=MADE_BY)
    except (OSError, ValueError) as error:
        raise InputError(f"{target} could not be encoded as JPEG ({error}); is the image of a usual size?") from None
    return buffer.getvalue()
