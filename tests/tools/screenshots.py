"""Pictures of the gradient page, to be looked at: `python tests/tools/screenshots.py FOLDER [RUN IMAGE]`.

Every screen in both languages, on a desk and on a phone, light and dark; and the page as it is printed. With a run
and an image, the last screen shows a step of that model. `gradient-en.png` and `gradient-ko.png` are the READMEs'
(docs/gradient.png, docs/ko/gradient.png).
"""

import base64
import io
import sys
from pathlib import Path

from PIL import Image

from minircnn.explain.page import LANGUAGES, write_page

sys.path.insert(0, str(Path(__file__).parents[1]))
from browser import open_browser, open_page

WIDTHS = {"desk": 1200, "phone": 400}
README = (1200, "roi-pool-backward", 7)  # width, screen, additions done


def main(folder: Path, *model: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_page(folder / "gradient.html", "en", *model)
    with open_browser() as browser:
        open_page(browser, folder / "gradient.html")
        browser.execute_script("change({ tick: 7 })")
        for language in LANGUAGES:
            browser.execute_script("speak(arguments[0])", language)
            for device, width in WIDTHS.items():
                _resize(browser, width)
                for scheme in ("light", "dark"):
                    _prefer(browser, scheme)
                    for number, screen in enumerate(_screens(browser), start=1):
                        name = f"{language}-{device}-{scheme}-{number:02}-{screen}.png"
                        (folder / name).write_bytes(_picture(browser, screen, width))
            _prefer(browser, "light")
            paper = {"printBackground": True, "paperWidth": 8.27, "paperHeight": 11.69}
            printed = browser.execute_cdp_cmd("Page.printToPDF", paper)["data"]
            (folder / f"{language}-print.pdf").write_bytes(base64.b64decode(printed))
        for language in LANGUAGES:
            readme_picture(browser, language, folder / f"gradient-{language}.png")
    print(f"{len(list(folder.glob('*.png')))} pictures and 2 PDFs are in {folder}")


def readme_picture(browser, language: str, path: Path) -> None:
    """The README's picture, in a language."""
    width, screen, tick = README
    _prefer(browser, "light")  # nothing that flies, or a number would hang in the air
    _resize(browser, width)
    browser.execute_script("speak(arguments[1]); change({ tick: arguments[0] })", tick, language)
    _cut(browser, f"#{screen} .columns", path)


def _prefer(browser, scheme: str) -> None:
    """Light or dark, and nothing that flies."""
    wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
    features = [{"name": name, "value": value} for name, value in wishes.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def _resize(browser, width: int) -> None:
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def _screens(browser) -> list[str]:
    return browser.execute_script("return [...document.querySelectorAll('.screen')].map((screen) => screen.id)")


def _picture(browser, screen: str, width: int) -> bytes:
    """PNG of a screen, from side to side."""
    top, height = browser.execute_script(
        """
        const { top, height } = document.getElementById(arguments[0]).getBoundingClientRect();
        return [top + scrollY, height];""",
        screen,
    )
    clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    return base64.b64decode(shot["data"])


def _cut(browser, selector: str, path: Path) -> None:
    """One element as it stands in the middle of the window, with a little room around it."""
    x, y, width, height = browser.execute_script(
        """
        const element = document.querySelector(arguments[0]);
        element.scrollIntoView({ block: "center" });
        const { x, y, width, height } = element.getBoundingClientRect();
        return [x, y, width, height];""",
        selector,
    )
    window = base64.b64decode(browser.execute_cdp_cmd("Page.captureScreenshot", {})["data"])
    room = 16
    picture = Image.open(io.BytesIO(window)).convert("RGB")
    picture.crop((x - room, y - room, x + width + room, y + height + room)).save(path, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 4):
        sys.exit(__doc__.splitlines()[0])
    main(*map(Path, sys.argv[1:]))
