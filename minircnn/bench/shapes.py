"""VGG16's maps on an image of 600×800: which shapes its convolutions have, and how much there is to multiply."""

from collections.abc import Iterator

from minircnn.models import vgg16

HEIGHT, WIDTH = 600, 800  # of an image, as the paper's are


def convolution_shapes() -> dict[str, tuple[int, int, int, int]]:
    """Name → C, OC, H, W of each convolution of VGG16 that differs, on an image of 600×800."""
    shapes: dict[str, tuple[int, int, int, int]] = {}
    for name, C, OC, H, W in _maps():
        if (shape := (C, OC, H, W)) not in shapes.values():
            shapes[name] = shape
    return shapes


def _maps() -> Iterator[tuple[str, int, int, int, int]]:
    """Name, C, OC, H, W of every convolution of VGG16 on such an image."""
    H, W = HEIGHT, WIDTH
    for name, C, OC, pool_after in vgg16().convolutions:
        yield name, C, OC, H, W
        if pool_after:
            H, W = (H + 1) // 2, (W + 1) // 2


def multiplications(backward: bool) -> float:
    """Of the whole stack, and with `backward` of the way back through what learns."""
    total, directions = 0, 1  # of the lowest that learns: nobody wants its dx
    for name, C, OC, H, W in _maps():
        total += H * W * 9 * C * OC
        if backward and name not in vgg16().frozen:
            total += H * W * 9 * C * OC * directions
            directions = 2
    return float(total)
