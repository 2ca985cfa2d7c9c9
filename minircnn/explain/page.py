"""The page put together: one HTML file that needs nothing else.

In `parts/`, `frame.html` is the frame, `screens/` holds the prose in English and Korean side by side, `script/` the
plain JavaScript that draws and recomputes, `words.json` the words that it needs. The scenario, and the source lines
that are shown, come from the installed package.
"""

import json
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import minircnn
from minircnn.base.errors import InputError
from minircnn.base.files import check_target, write_text
from minircnn.data.formats.deepfashion2 import DEEPFASHION2_CLASSES
from minircnn.explain.capture import capture_step
from minircnn.explain.faults import FAULTS, known_answers
from minircnn.explain.model_screen import model_data
from minircnn.explain.photograph import DETECTOR, bundled_scene
from minircnn.explain.scenario import Scenario, worked_example
from minircnn.explain.source import additions
from minircnn.explain.steps import STEPS

LANGUAGES = ("en", "ko")
SCRIPTS = (  # in this order
    "kernels", "pooling", "journey", "dom", "rove", "state", "map", "arrows", "plot", "screen_heads", "offsets",
    "screen_target", "screen_back", "sums", "bins", "align", "screen_pool", "screen_scatter", "ledger", "path",
    "screen_path", "screen_box", "screen_prove", "proof", "screen_break", "screen_code", "heat", "region",
    "screen_model", "norms", "systems", "strip", "print",
)  # fmt: skip
CLASSES = {
    "en": ("background", *DEEPFASHION2_CLASSES),
    "ko": ("배경", "반팔 상의", "긴팔 상의", "반팔 아우터", "긴팔 아우터", "조끼", "슬링(끈나시)", "반바지", "바지",
           "치마", "반팔 원피스", "긴팔 원피스", "민소매 원피스", "끈 원피스"),
}  # fmt: skip
GENERATOR = '<meta name="generator" content="minircnn explain">'
HOME = {  # the screen that a stage of the strip leads to
    "image": "model", "features": "roi-pool-backward", "roi_pool": "roi-pool", "fc6": "back", "fc7": "back",
    "cls_score": "two-outputs", "bbox_pred": "two-outputs", "losses": "target",
}  # fmt: skip


def write_page(out: Path, language: str = "en", model: Path | None = None, image: Path | None = None) -> None:
    """Write the page to `out`; its last screen shows a step of `model` on `image`, by default of the detector that
    comes with the package, on a scene of the bundled data.

    Raises
    ------
    InputError : `out` cannot be written, the language is unknown, only one of model and image is given, or one of them
        cannot be used; nothing is written then
    """
    _check_language(language)
    if (model is None) != (image is None):
        missing = "--image FILE" if image is None else "--model RUN"
        raise InputError(f"a step of a trained model needs the model and an image: give {missing} as well")
    check_target(out, "--out", made_by="minircnn explain", is_own=_is_own)
    if model is None or image is None:
        with bundled_scene() as scene:
            shown = model_data(capture_step(DETECTOR, scene, down_to_the_image=True), bundled=True)
    else:
        shown = model_data(capture_step(model, image, down_to_the_image=True))
    write_text(out, page(language, worked_example(), shown))


def _is_own(path: Path) -> bool:
    """Whether a page of this command stands at `path`."""
    with open(path, "rb") as file:
        return GENERATOR.encode() in file.read(2000)


def _check_language(language: str) -> None:
    if language not in LANGUAGES:
        raise InputError(f"the page speaks {' and '.join(LANGUAGES)}, not {language!r}; give --lang one of them")


def page(language: str, scenario: Scenario, shown: dict) -> str:
    """The whole HTML. shown : of a captured step, as `model_data` has it"""
    _check_language(language)
    parts = resources.files("minircnn.explain") / "parts"
    words = json.loads(_read(parts / "words.json"))
    screens = sorted(
        (entry for entry in (parts / "screens").iterdir()), key=lambda entry: int(entry.name.split("_")[0])
    )
    data = {
        "language": language,
        "words": words,
        "classes": [dict(zip(LANGUAGES, names, strict=True)) for names in zip(*CLASSES.values(), strict=True)],
        "home": HOME,
        "scenario": scenario.as_data(),
        "model": shown,
        "addition": additions(),
        "faults": [fault.as_data() for fault in FAULTS],
        "known": known_answers(worked_example()),
        "code": [step.as_data() for step in STEPS],
    }
    return Template(_read(parts / "frame.html")).substitute(
        generator=GENERATOR,
        title=words["title"][language],
        language=language,
        style=_read(parts / "style.css"),
        screens="\n".join(_read(entry) for entry in screens),
        version=minircnn.__version__,
        data=_in_a_script(json.dumps(data, ensure_ascii=False, separators=(",", ":"))),
        scripts="\n".join(_script(name, _read(parts / "script" / f"{name}.js")) for name in SCRIPTS),
    )


def _read(entry: Traversable) -> str:
    return entry.read_text(encoding="utf-8")


def _in_a_script(text: str) -> str:
    """JSON that cannot end the script element it stands in."""
    return text.replace("<", "\\u003c")


def _script(name: str, text: str) -> str:
    """A script element of its own, which a browser's debugger lists by its file's name."""
    return f"<script>\n{text}\n//# sourceURL=minircnn/explain/parts/script/{name}.js\n</script>"
