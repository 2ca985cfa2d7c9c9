"""Gradients as pictures: the norm over channels, deeper where it is larger, with the value of the deepest place."""

import base64

import numpy as np

from minircnn.data.opencv import opencv

HEAT = (214, 40, 120)  # RGB of the hottest place; less is more transparent
DEEPEST = 230  # of 255, how opaque that is


def heat_map(gradient: np.ndarray, longest: int | None = None) -> dict:
    """(h, w, C) → {"picture": a transparent one of h×w pixels, or fewer; "most": the norm that is deepest in it}.

    The opacity is the square root of the norm's share of the largest: a few hot places would leave the rest unseen.

    longest : side that the picture is made smaller for
    """
    height = np.sqrt((gradient.astype(np.float64) ** 2).sum(axis=2))
    if longest is not None and max(height.shape) > longest:
        size = tuple(max(1, round(side * longest / max(height.shape))) for side in height.shape[::-1])
        height = opencv().resize(height, size, interpolation=opencv().INTER_AREA)
    most = float(height.max())
    picture = np.zeros((*height.shape, 4), np.uint8)
    picture[..., :3] = HEAT[::-1]
    picture[..., 3] = (np.sqrt(height / max(most, 1e-30)) * DEEPEST).astype(np.uint8)
    return {"picture": uri("png", picture), "most": most}


def uri(kind: str, picture: np.ndarray, quality: int = 92) -> str:
    """A picture in the page's own text. kind : "png", or "jpeg" of a `quality`."""
    cv2 = opencv()
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality] if kind == "jpeg" else [cv2.IMWRITE_PNG_COMPRESSION, 9]
    _, encoded = cv2.imencode(f".{kind}", picture, settings)
    return f"data:image/{kind};base64,{base64.b64encode(encoded.tobytes()).decode()}"
