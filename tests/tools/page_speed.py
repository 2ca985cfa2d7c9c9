"""How long the gradient page takes to follow a box that is dragged, in each browser that there is.

    python tests/tools/page_speed.py [gradient.html]

Each step of a pointer is timed from the handle's own function to the end of the layout that follows: the median of 60,
and the slowest.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from browser import open_browser, open_page
from firefox import open_firefox

from minircnn.explain.page import write_page
from minircnn.explain.scenario import POOLINGS

HANDLES = ("roi 0 move", "backward roi 0 move", "proposal 0 move", "truth 0 size")
TIMED = """
const handle = document.querySelector(`[data-handle="${arguments[0]}"]`);
handle.scrollIntoView({ block: 'center' });
drag(true);
const times = [];
for (let i = 0; i < 60; i++) {
  const begin = performance.now();
  handle.ondrag(i % 2 ? 0.25 : -0.25, 0);
  document.body.offsetHeight;
  times.push(performance.now() - begin);
}
drag(false);
times.sort((a, b) => a - b);
return [times[30], times[59]];"""


def main(page: Path) -> None:
    with open_browser() as chromium, open_firefox() as firefox:
        open_page(chromium, page)
        firefox.get(page.resolve().as_uri())
        print(f"{'pooling':8} {'handle':22} {'Chromium':>16} {'Firefox':>16}   milliseconds: median, slowest")
        for pooling in POOLINGS:
            for handle in HANDLES:
                shown = []
                for browser in (chromium, firefox):
                    browser.execute_script("changeScenario({ pooling: arguments[0] })", pooling)
                    median, slowest = browser.execute_script(TIMED, handle)
                    shown.append(f"{median:8.1f}{slowest:8.1f}")
                print(f"{pooling:8} {handle:22} {' '.join(shown)}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        given = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder) / "gradient.html"
        if len(sys.argv) == 1:
            write_page(given)
        main(given)
