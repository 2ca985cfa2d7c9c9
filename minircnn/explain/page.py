"""The page put together: one HTML file that needs nothing else.

In `parts/`, `frame.html` is the frame, `screens/` holds the prose in English and Korean side by side, `script/` the
plain JavaScript that draws and recomputes, `words.json` the words that it needs. The scenario, and the source lines
that are shown, come from the installed package.
"""

import json
from importlib import resources
from pathlib import Path
from string import Template

import minircnn
from minircnn.errors import InputError
from minircnn.explain.scenario import Scenario, worked_example
from minircnn.explain.source import addition
from minircnn.explain.steps import STEPS
from minircnn.files import check_creatable, write_text

LANGUAGES = ("en", "ko")
SCRIPTS = (  # in this order
    "kernels", "journey", "dom", "state", "map", "plot", "screen_heads", "offsets", "screen_target",
    "screen_back", "sums", "screen_pool", "screen_scatter", "ledger", "screen_box", "screen_prove",
    "screen_code", "strip",
)  # fmt: skip
CLASSES = {
    "en": ("background", "short sleeve top", "long sleeve top", "short sleeve outwear", "long sleeve outwear", "vest",
           "sling", "shorts", "trousers", "skirt", "short sleeve dress", "long sleeve dress", "vest dress",
           "sling dress"),
    "ko": ("배경", "반팔 상의", "긴팔 상의", "반팔 아우터", "긴팔 아우터", "조끼", "슬링", "반바지", "바지", "치마",
           "반팔 원피스", "긴팔 원피스", "조끼 원피스", "슬링 원피스"),
}  # fmt: skip
HOME = {  # the screen that a stage of the strip leads to
    "image": "the-box", "features": "roi-pool-backward", "roi_pool": "roi-pool", "fc6": "back", "fc7": "back",
    "cls_score": "two-outputs", "bbox_pred": "two-outputs", "losses": "target",
}  # fmt: skip


def write_page(out: Path, language: str = "en", scenario: Scenario | None = None) -> None:
    """Write the page to `out`; InputError where that cannot be."""
    if out.is_dir():
        raise InputError(f"{out} is a folder; give --out a file")
    if not out.parent.is_dir():
        check_creatable(out.parent)
    write_text(out, page(language, scenario or worked_example()))


def page(language: str, scenario: Scenario) -> str:
    """The whole HTML."""
    if language not in LANGUAGES:
        raise InputError(f"the page speaks {' and '.join(LANGUAGES)}, not {language!r}; give --lang one of them")
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
        "addition": addition(),
        "code": [step.as_data() for step in STEPS],
    }
    return Template(_read(parts / "frame.html")).substitute(
        title=words["title"][language],
        language=language,
        style=_read(parts / "style.css"),
        screens="\n".join(_read(entry) for entry in screens),
        version=minircnn.__version__,
        data=_in_a_script(json.dumps(data, ensure_ascii=False, separators=(",", ":"))),
        scripts="\n".join(_script(name, _read(parts / "script" / f"{name}.js")) for name in SCRIPTS),
    )


def _read(entry) -> str:
    return entry.read_text(encoding="utf-8")


def _in_a_script(text: str) -> str:
    """JSON that cannot end the script element it stands in."""
    return text.replace("<", "\\u003c")


def _script(name: str, text: str) -> str:
    """A script element of its own, which a browser's debugger lists by its file's name."""
    return f"<script>\n{text}\n//# sourceURL=minircnn/explain/parts/script/{name}.js\n</script>"
