"""The gradient page by axe-core, the rules that accessibility audits go by: nothing found, in light and in dark."""

import importlib.util
from pathlib import Path

import pytest
from browser import open_browser, open_page

pytestmark = pytest.mark.browser
AUDIT = """
const done = arguments[1];
axe.run(arguments[0], { resultTypes: ['violations'] }).then(({ violations, passes }) => done([
  violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => [id, html, failureSummary])),
  passes.map(({ id }) => id)]));"""
BUSY = {"fault": "assign", "tick": 7, "answers": ["shown"] * 8, "system": "faster", "cell": [2, 3]}


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core's script, which this package carries; the package's own code is not needed."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or not found.submodule_search_locations:
        pytest.skip("axe-core is not installed: pip install --no-deps axe-playwright-python")
    return (Path(found.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize(("scheme", "language", "changed"), [("light", "en", {}), ("dark", "ko", BUSY)])
def test_axe_finds_nothing(axe, scheme, language, changed, gradient_page):
    with open_browser() as page:
        page.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        open_page(page, gradient_page)
        page.execute_script(axe)
        page.execute_script("change(arguments[0]); speak(arguments[1])", changed, language)
        if changed:
            page.execute_script("changeScenario({ pooling: 'align' })")
        violations, passed = page.execute_async_script(AUDIT, "html")
        assert violations == []
        assert {"color-contrast", "nested-interactive", "html-has-lang"} <= set(passed)
        # It can find something: a text as pale as its paper.
        page.execute_script("document.querySelector(`h1[lang=${arguments[0]}]`).style.color = 'var(--hair)'", language)
        violations, _ = page.execute_async_script(AUDIT, "h1")
        assert {kind for kind, _, _ in violations} == {"color-contrast"}
