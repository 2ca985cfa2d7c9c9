"""What `minircnn compare` and `minircnn study` share: how many scenes are learned how often, and in whose folder."""

from dataclasses import dataclass
from pathlib import Path

from minircnn.base.errors import InputError
from minircnn.base.files import check_creatable, read_json


@dataclass(frozen=True)
class Budget:
    """How many scenes, and how often the training images are seen."""

    train: int
    test: int
    epochs: float


def check_folder(out: Path, settings: str, wanted: dict, holds: str) -> None:
    """Refuse a folder that holds something else, or the same of other settings.

    Parameters
    ----------
    settings : name of the file in it that says what it holds
    wanted : what should stand there
    holds : in words, what it holds if it holds the same of others: "studies of another size"

    Raises
    ------
    InputError : it does, or cannot be made
    """
    if not out.exists():
        return check_creatable(out)
    if not out.is_dir() or (any(out.iterdir()) and not (out / settings).is_file()):
        raise InputError(f"{out} holds something else; choose another --out")
    if (out / settings).is_file() and read_json(out / settings, "choose another --out") != wanted:
        raise InputError(f"{out} holds {holds}; choose another --out, or the same flags")
    return None
