"""The pictures of road.md, one for each system: what is computed, what learns, how far each gradient reaches.

`python docs/road_pictures.py` writes them to docs/road/, in both languages; a test asks that they are these.
"""

from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path

HERE = Path(__file__).parent / "road"
WIDTH, BOX, MAIN, TOP, TALL = 892, 96, 112, 34, 46  # pixels; MAIN and TOP: the middle of the two rows
STYLE = """
svg { --paper:#fff; --ink:#1b1f24; --soft:#5c6570; --once:#dcebfb; --each:#fde7d8; --none:#eef0f2; --a:#2467b3;
--b:#c4531a; --c:#2f8055; font:13px system-ui,"Noto Sans KR",Helvetica,Arial,sans-serif }
@media (prefers-color-scheme:dark) { svg { --paper:#15181c; --ink:#e6e9ec; --soft:#9aa4ae; --once:#1d3550;
--each:#4a2c1a; --none:#2a2f35; --a:#74aef0; --b:#f0935a; --c:#72c397 } }
text { fill:var(--ink); text-anchor:middle } .soft { fill:var(--soft); font-size:12px } .left { text-anchor:start }
.paper { fill:var(--paper) } .once { fill:var(--once) } .each { fill:var(--each) } .none { fill:var(--none) }
rect { stroke:var(--soft); stroke-width:1 } rect.paper, rect.key { stroke:none }
path { fill:none; stroke:var(--soft); stroke-width:1.5 }
.a { stroke:var(--a) } .b { stroke:var(--b) } .c { stroke:var(--c) }
.back { stroke-width:2.5 } .out { stroke-dasharray:5 4 } text.a { fill:var(--a); stroke:none }
text.b { fill:var(--b); stroke:none } text.c { fill:var(--c); stroke:none }
"""

Words = tuple[str, str]  # English and Korean


@dataclass(frozen=True)
class Node:
    """One box: its column (0 … 7), its words (a line each), how often it runs: once, each or none; its row."""

    column: float
    words: tuple[Words, ...]
    runs: str
    top: bool = False


@dataclass(frozen=True)
class Back:
    """One gradient: from column to column, its colour and words."""

    begin: float
    end: float
    colour: str
    words: Words


def same(word: str) -> Words:
    return word, word


IMAGE = Node(0, (("image", "이미지"),), "none")
SEARCH = Node(1.1, (same("Selective"), same("Search")), "once", top=True)
CONVOLUTIONS = (("convolutions", "합성곱"),)
FC = (same("fc6"), same("fc7"))
OUTPUTS = (same("cls_score"), same("bbox_pred"))
DISK = Node(5.2, (("features", "특징을"), ("on the disk", "디스크에")), "none")
LINEAR = Node(6.5, (("SVMs,", "SVM,"), ("ridge", "릿지 회귀")), "each")
ALONE = Back(6.5, 6.5, "c", ("they learn alone", "따로 배움"))

SYSTEMS: dict[str, tuple[str, tuple[Node, ...], tuple[Back, ...]]] = {
    "rcnn": (
        "R-CNN",
        (IMAGE, SEARCH, Node(1.3, (("warp", "늘이고"), ("to 224×224", "줄이기")), "each"),
         Node(2.6, CONVOLUTIONS, "each"), Node(3.9, FC, "each"), DISK, LINEAR),
        (Back(3.9, 2.6, "a", ("class loss, in fine-tuning", "미세 조정 때 클래스 손실")), ALONE),
    ),
    "spp": (
        "SPPnet",
        (IMAGE, SEARCH, Node(1.3, CONVOLUTIONS, "once"),
         Node(2.6, (("pyramid,", "피라미드"), ("50 bins", "50칸")), "each"), Node(3.9, FC, "each"), DISK, LINEAR),
        (Back(3.9, 3.9, "a", ("class loss: stops at the pyramid", "클래스 손실: 피라미드에서 멈춤")), ALONE),
    ),
    "fast": (
        "Fast R-CNN",
        (IMAGE, SEARCH, Node(1.3, CONVOLUTIONS, "once"), Node(2.6, (("RoI pooling", "RoI 풀링"),), "each"),
         Node(3.9, FC, "each"), Node(5.2, OUTPUTS, "each")),
        (Back(5.2, 1.3, "a", ("class loss", "클래스 손실")), Back(5.2, 1.3, "b", ("box loss", "박스 손실"))),
    ),
    "faster": (
        "Faster R-CNN",
        (IMAGE, Node(2.6, (("proposals", "영역 제안"), ("network", "네트워크")), "once", top=True),
         Node(1.3, CONVOLUTIONS, "once"), Node(2.6, (same("RoIAlign"),), "each"), Node(3.9, FC, "each"),
         Node(5.2, OUTPUTS, "each")),
        (Back(5.2, 1.3, "a", ("class loss", "클래스 손실")), Back(5.2, 1.3, "b", ("box loss", "박스 손실")),
         Back(2.6, 1.3, "c", ("the proposals network's two losses", "영역 제안 네트워크의 두 손실"))),
    ),
}  # fmt: skip
ONCE, EACH = ("once for the image", "이미지마다 한 번"), ("for each region", "영역마다")
LEFT_OUT = ("left out: what the head would say of where the regions are", "빠진 길: 헤드가 영역의 좌표에 할 말")


def picture(system: str, language: int) -> str:
    """The SVG of one system; language 0 is English, 1 Korean."""
    title, nodes, backs = SYSTEMS[system]
    height = MAIN + TALL // 2 + 30 + 24 * len(backs)
    parts = [f'<rect class="paper" width="{WIDTH}" height="{height}"/>']
    main = sorted((node for node in nodes if not node.top), key=lambda node: node.column)
    for one, other in pairwise(main):
        parts.append(_arrow(f"M{_right(one)} {MAIN}H{_left(other) - 2}", "forward"))
    (top,) = (node for node in nodes if node.top)
    parts += _proposed(system, top, language)
    parts += [_box(node, language) for node in nodes]
    for row, back in enumerate(backs):
        parts += _back(back, MAIN + TALL // 2 + 26 + 24 * row, language)
    parts += _key(language)
    arrows = "".join(
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="{size}" markerHeight="{size}" '
        f'orient="auto"><path d="M0 0L8 4L0 8" style="fill:none;stroke:{colour};stroke-width:1.6"/></marker>'
        for name, colour, size in (("forward", "var(--soft)", 7), *((each, f"var(--{each})", 5) for each in "abc"))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img" '
        f'aria-label="{escape(title)}">'
        f"<style>{STYLE}</style><defs>{arrows}</defs>{''.join(parts)}</svg>\n"
    )


def _middle(column: float) -> float:
    return 12 + BOX / 2 + column * 118


def _left(node: Node) -> float:
    return _middle(node.column) - BOX / 2


def _right(node: Node) -> float:
    return _middle(node.column) + BOX / 2 + (6 if node.runs == "each" else 0)


def _arrow(way: str, marker: str, style: str = "") -> str:
    return f'<path class="{style}" d="{way}" marker-end="url(#{marker})"/>'


def _proposed(system: str, top: Node, language: int) -> list[str]:
    """From the image, or its features, to who proposes, and down to who needs the proposals."""
    source = 1.3 if system == "faster" else 0.0
    needs = {"rcnn": 1.3, "spp": 2.6, "fast": 2.6, "faster": 2.6}[system]
    up, down = _middle(source), _middle(needs)
    parts = [_arrow(f"M{up} {MAIN - TALL / 2}V{TOP}H{_left(top) - 2}", "forward")]
    if system == "faster":
        parts.append(_arrow(f"M{down - 12} {TOP + TALL / 2}V{MAIN - TALL / 2 - 2}", "forward"))
        parts.append(_arrow(f"M{down + 24} {MAIN - TALL / 2 - 6}V{TOP + TALL / 2 + 2}", "b", "b out"))
        words = f'<text class="b left" x="{down + 36}" y="{(TOP + MAIN) / 2 - 1}">{LEFT_OUT[language]}</text>'
        return [*parts, words]
    if _right(top) < down:
        return [*parts, _arrow(f"M{_right(top)} {TOP}H{down}V{MAIN - TALL / 2 - 2}", "forward")]
    return [*parts, _arrow(f"M{down} {TOP + TALL / 2}V{MAIN - TALL / 2 - 2}", "forward")]


def _box(node: Node, language: int) -> str:
    x, y = _left(node), (TOP if node.top else MAIN) - TALL / 2
    behind = "".join(
        f'<rect class="each" x="{x + n}" y="{y - n}" width="{BOX}" height="{TALL}" rx="3"/>' for n in (6, 3)
    )
    lines = "".join(
        f'<text x="{x + BOX / 2}" y="{y + TALL / 2 + 4.5 + 16 * (n - (len(node.words) - 1) / 2)}">'
        f"{escape(words[language])}</text>"
        for n, words in enumerate(node.words)
    )
    box = f'<rect class="{node.runs}" x="{x}" y="{y}" width="{BOX}" height="{TALL}" rx="3"/>'
    return (behind if node.runs == "each" else "") + box + lines


def _back(back: Back, y: float, language: int) -> list[str]:
    begin, end = _middle(back.begin) + BOX / 2, _middle(back.end) - BOX / 2
    words = f'<text class="left {back.colour}" x="{begin + 8}" y="{y + 4.5}">{escape(back.words[language])}</text>'
    if back.begin > 6:  # no room at the right
        words = (
            f'<text class="{back.colour}" x="{(begin + end) / 2}" y="{y + 20}">{escape(back.words[language])}</text>'
        )
    stop = f'<path class="back {back.colour}" d="M{end} {y - 7}V{y + 7}"/>'
    return [_arrow(f"M{begin} {y}H{end + 2}", back.colour, f"back {back.colour}"), stop, words]


def _key(language: int) -> list[str]:
    x = 640
    return [
        f'<rect class="key once" x="{x}" y="12" width="18" height="12" rx="2"/>'
        f'<text class="soft left" x="{x + 26}" y="22.5">{ONCE[language]}</text>',
        f'<rect class="key each" x="{x}" y="32" width="18" height="12" rx="2"/>'
        f'<text class="soft left" x="{x + 26}" y="42.5">{EACH[language]}</text>',
    ]


def pictures() -> dict[str, str]:
    """File name → content."""
    return {
        f"{system}{ending}.svg": picture(system, language)
        for system in SYSTEMS
        for language, ending in enumerate(("", "_ko"))
    }


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for name, content in pictures().items():
        (HERE / name).write_text(content, encoding="utf-8")
