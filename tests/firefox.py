"""A headless Firefox for the gradient page's tests, spoken to by WebDriver BiDi, which needs no driver beside it.

Firefox itself listens (`--remote-debugging-port`), and a WebSocket of the `websocket-client` package, which selenium
brings, is all that there is between. What is used of a selenium driver elsewhere has the same names here.
"""

import base64
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAMS = ("firefox-esr", "firefox")
PREFERENCES = """
user_pref("remote.active-protocols", 1);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("print.always_print_silent", true);
"""
PATIENCE = 60  # seconds for an answer


class Firefox:
    """One tab. `complaints` and `asked` gather what the console says, and which addresses are asked for."""

    def __init__(self, address: str):
        import websocket

        self.socket = websocket.create_connection(f"{address}/session", timeout=PATIENCE, suppress_origin=True)
        self.number, self.complaints, self.asked = 0, [], []
        self.send("session.new", {"capabilities": {}})
        self.tab = self.send("browsingContext.getTree", {})["contexts"][0]["context"]
        self.send("session.subscribe", {"events": ["log.entryAdded", "network.beforeRequestSent"]})

    def send(self, method: str, params: dict) -> dict:
        """One command and its answer; events on the way are gathered."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.number:
                if message["type"] == "error":
                    raise RuntimeError(f"{method}: {message['error']}: {message['message']}")
                return message["result"]
            self._gather(message)

    def _gather(self, message: dict) -> None:
        params = message.get("params", {})
        if message.get("method") == "log.entryAdded":
            self.complaints.append(params["text"])
        elif message.get("method") == "network.beforeRequestSent":
            url = params["request"]["url"]
            if not url.startswith(("file:", "data:", "about:", "resource:", "chrome:")):
                self.asked.append(url)

    def get(self, address: str) -> None:
        self.send("browsingContext.navigate", {"context": self.tab, "url": address, "wait": "complete"})

    def execute_script(self, script: str, *arguments: object) -> object:
        """As selenium's: the arguments and the result travel as JSON."""
        function = f"function () {{ const out = (function () {{ {script} }}).apply(null, {json.dumps(arguments)});"
        call = {"functionDeclaration": function + " return JSON.stringify(out ?? null); }", "awaitPromise": False,
                "target": {"context": self.tab}}  # fmt: skip
        answer = self.send("script.callFunction", call)
        if answer["type"] == "exception":
            raise RuntimeError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    def resize(self, width: int, height: int) -> None:
        self.send("browsingContext.setViewport", {"context": self.tab, "viewport": {"width": width, "height": height}})

    def press(self, *keys: str) -> None:
        """Keys of selenium.webdriver.Keys, one after another, to what has the focus."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        source = {"type": "key", "id": "keyboard", "actions": actions}
        self.send("input.performActions", {"context": self.tab, "actions": [source]})

    def drag(self, handle: str, dx: int, dy: int) -> None:
        """Press the mouse on a handle of the page, move it by so many pixels, and let go."""
        x, y = self.execute_script(
            """
            const handle = document.querySelector(`[data-handle="${arguments[0]}"]`);
            handle.scrollIntoView({ block: "center" });
            const { x, y, width, height } = handle.getBoundingClientRect();
            return [Math.round(x + width / 2), Math.round(y + height / 2)];""",
            handle,
        )
        moves = [
            {"type": "pointerMove", "x": x + round(part * dx), "y": y + round(part * dy)} for part in (0.3, 0.7, 1)
        ]
        actions = [{"type": "pointerMove", "x": x, "y": y}, {"type": "pointerDown", "button": 0}, *moves,
                   {"type": "pointerUp", "button": 0}]  # fmt: skip
        source = {"type": "pointer", "id": "mouse", "actions": actions}
        self.send("input.performActions", {"context": self.tab, "actions": [source]})

    def screenshot(self, path: Path, whole: bool = True) -> None:
        origin = "document" if whole else "viewport"
        data = self.send("browsingContext.captureScreenshot", {"context": self.tab, "origin": origin})["data"]
        path.write_bytes(base64.b64decode(data))

    def print(self, path: Path) -> None:
        """The page as a PDF."""
        path.write_bytes(
            base64.b64decode(self.send("browsingContext.print", {"context": self.tab, "background": True})["data"])
        )


@contextmanager
def open_firefox(width: int = 1200, height: int = 900) -> Iterator[Firefox]:
    """The test is skipped where Firefox or websocket-client is missing."""
    pytest.importorskip("websocket", reason="selenium, which brings websocket-client, is not installed")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("no Firefox: apt-get install firefox-esr")
    with tempfile.TemporaryDirectory(prefix="firefox-", ignore_cleanup_errors=True) as profile:
        (Path(profile) / "user.js").write_text(PREFERENCES)
        said = Path(profile) / "said.txt"
        command = [program, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"]
        with open(said, "wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
            try:
                firefox = Firefox(_address(process, said))
                firefox.resize(width, height)
                yield firefox
                firefox.socket.close()
            finally:
                process.terminate()
                process.wait(PATIENCE)


def _address(process: subprocess.Popen, said: Path) -> str:
    """Where Firefox listens, as it says itself."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        if found := re.search(r"BiDi listening on (ws://\S+)", said.read_text(errors="replace")):
            return found[1]
        time.sleep(0.1)
    pytest.fail(f"Firefox does not listen: {said.read_text(errors='replace')[-500:]}")
