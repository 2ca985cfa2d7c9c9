"""A headless Chromium for the gradient page's tests, where one is installed (Debian: chromium, chromium-driver)."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def open_browser(width: int = 1200, height: int = 900) -> Iterator:
    """A selenium driver; the test is skipped where selenium or a browser is missing."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no Chromium with its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.add_argument(f"--window-size={width},{height}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield browser
    finally:
        browser.quit()


def open_page(browser, path: Path) -> None:
    browser.get(path.resolve().as_uri())


def complaints(browser) -> list[str]:
    """What the console has to say since it was last asked."""
    return [entry["message"] for entry in browser.get_log("browser")]


def requests(browser) -> list[str]:
    """Addresses that were asked for since this was last called, other than files and data in the page."""
    messages = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    asked = (m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent")
    return [url for url in asked if not url.startswith(("file:", "data:"))]


def drag(browser, handle: str, dx: float, dy: float, finger: bool = False) -> float:
    """Press the mouse, or a finger, on a handle of the page, move it by so many pixels, and let go; how far the page
    was scrolled when it began."""
    x, y, scrolled = browser.execute_script(
        """
        const handle = document.querySelector(`[data-handle="${arguments[0]}"]`);
        handle.scrollIntoView({ block: "center" });
        const { x, y, width, height } = handle.getBoundingClientRect();
        return [x + width / 2, y + height / 2, scrollY];""",
        handle,
    )
    steps = [("Pressed", 0.0), ("Moved", 0.3), ("Moved", 0.7), ("Moved", 1.0), ("Released", 1.0)]
    touches = {"Pressed": "touchStart", "Moved": "touchMove", "Released": "touchEnd"}
    for kind, part in steps:
        there = {"x": x + part * dx, "y": y + part * dy}
        if finger:
            points = [] if kind == "Released" else [there]
            browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": touches[kind], "touchPoints": points})
        else:
            event = {"type": f"mouse{kind}", "button": "left", "buttons": 1, "clickCount": 1} | there
            browser.execute_cdp_cmd("Input.dispatchMouseEvent", event)
    return scrolled
