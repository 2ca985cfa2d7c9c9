"""OpenCV, imported when it is first needed: where it does not load, that is one sentence with the remedy."""

from types import ModuleType

from minircnn.base.errors import InputError

REMOVE_ALL = (
    "pip uninstall -y opencv-python opencv-python-headless opencv-contrib-python opencv-contrib-python-headless"
)


def opencv() -> ModuleType:
    """The module.

    Raises
    ------
    InputError : it is not installed, or one of the system's libraries is missing, as libGL in a small container
    """
    try:
        import cv2
    except ImportError as error:
        raise InputError(
            f"OpenCV does not load ({error}); where libGL or another of a screen's libraries is missing, take the "
            f"build that needs none: `{REMOVE_ALL}`, then `pip install opencv-contrib-python-headless`"
        ) from None
    return cv2
