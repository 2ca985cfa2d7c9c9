"""The gradient page in a real browser: every number that it shows against the kernels, with a reader's own hands."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser import complaints, drag, open_browser, open_page, requests
from page_checks import (
    PUBLISHED,
    STUDY,
    change,
    check,
    check_in_both_languages,
    random_scenario,
    scenario_of,
)
from page_numbers import PageNumbers

from minircnn.explain import page as page_module
from minircnn.explain.scenario import POOLINGS, SENT, worked_example
from minircnn.explain.steps import STEPS
from minircnn.kernels.roi_pool import _bin_edges, _round_half_away

STEP_TO_THE_END = """
const next = document.querySelector('#roi-pool-backward .stepper button:nth-of-type(3)');
while (!next.disabled) next.click();
"""
DRAGS = (("move", 61, 37), ("size", -40, 25), ("move", -150, -150), ("move", -150, -150))  # to and off the edge


PARTS = Path(page_module.__file__).parent / "parts"
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser():
    with open_browser() as driver:
        yield driver


@pytest.fixture
def page(browser, gradient_page):
    open_page(browser, gradient_page)
    yield browser
    assert complaints(browser) == []
    assert requests(browser) == []


def test_every_number_is_the_kernels(page):
    seen = check_in_both_languages(page, PageNumbers(worked_example(), left=1.0))
    for number, sent in enumerate(SENT):
        for roi in range(3):
            expected = PageNumbers(worked_example(), left=(left := roi - 0.51), steps=4 * roi + 1)
            change(page, sent=sent, roi=roi, tick=4 * number + roi + 2, left=left, steps=4 * roi + 1,
                   disjoint=roi == 1, reluOnBoxes=roi != 1, tied=roi != 0, nudged=[0.1, 0.01, 0.0001][roi])  # fmt: skip
            seen |= check(page, expected, "ko")
            layers = [("dh7", 4), ("dh6", 5), ("dpooled", 3)]
            change(page, sum=dict(zip(("layer", "i"), layers[roi], strict=True)), cell=[[2, 3], [5, 0], [0, 0]][roi],
                   output={"kind": "class", "column": 3 + roi})  # fmt: skip
            seen |= check(page, expected, "en")
    for pooling in reversed(POOLINGS):
        scenario = replace(worked_example(), pooling=pooling)
        expected = PageNumbers(scenario, left=1.3, sample=(4.85, 0.2))
        change(page, scenario=scenario.as_data(), left=1.3, roi=0, steps=0, bin=3, answers=["shown"] * 8,
               sample=[4.85, 0.2], disjoint=False)  # fmt: skip
        seen |= check_in_both_languages(page, expected)
        steps = [step for step in STEPS if pooling in (step.poolings or (pooling,))]
        for code in range(len(steps)):
            change(page, code=code, sent=SENT[code % 3 - 1], language=["en", "ko"][code % 2])
            seen |= check(page, expected, within="#code")
            title = page.execute_script("return document.querySelector('#code h3').textContent")
            assert title == f"{code + 1}. {steps[code].title[code % 2]}"
    for sent in SENT:
        change(page, sent=sent)
        seen |= check_in_both_languages(page, expected)
    kinds = {name.split(" ")[0] for name in seen}
    methods = {name[1:] for name, value in vars(PageNumbers).items() if name[0] == "_" and name[1] != "_"}
    unseen = {kind for kind in methods if kind not in {name.replace(".", "_").replace("-", "_") for name in kinds}}
    assert unseen <= {
        "value",
        "winners",
        "once",
        "stairs",
        "loss_with_the_left_edge_at",
        "train",
        "nudged",
        "tie",
        "backward_of",
        "sample_shares",
        "strongest",
    }  # helpers: each other kind was on the page
    assert len(seen) > 900


@pytest.mark.parametrize(("seed", "scenarios"), [(18, 6), pytest.param(19, 100, marks=pytest.mark.slow)])
def test_every_number_of_random_scenarios_is_the_kernels(page, seed, scenarios):
    rng, dragged = np.random.default_rng(seed), 0
    for number in range(scenarios):
        scenario = random_scenario(rng, list(POOLINGS)[number // 2 % 3])
        roi, sent = int(rng.integers(len(scenario.rois))), SENT[number % 3]
        ticks = len(scenario.rois) * scenario.output_size[0] * scenario.output_size[1]
        row, column = (int(rng.integers(size)) for size in scenario.features.shape)
        left = float(rng.integers(-4, 20) / 4 + 0.1)
        sample = [float(rng.integers(20 * (size - 1)) / 20) for size in scenario.features.shape[::-1]]
        change(page, scenario=scenario.as_data(), roi=roi, sent=sent, tick=ticks if number % 2 else ticks // 2,
               answers=["shown"] * (number % 9), sample=sample, bin=int(rng.integers(ticks // len(scenario.rois))),
               cell=[row, column], left=left, steps=number % 7, disjoint=number % 3 == 0, nudged=0.001,
               code=number % 14, sum={"layer": ["dh7", "dh6", "dpooled"][number % 3], "i": 1},
               output={"kind": ["box", "class"][number % 2], "column": number % 14})  # fmt: skip
        same = scenario_of(page)
        for name in ("features", "rois", "truth", "labels"):
            assert (getattr(same, name) == getattr(scenario, name)).all()
        own = {"steps": number % 7, "sample": tuple(sample)}
        check_in_both_languages(page, PageNumbers(scenario, left=left, **own))
        x1, y1 = scenario.rois[roi, :2] * scenario.spatial_scale
        if not (0 <= x1 < scenario.features.shape[1] and 0 <= y1 < scenario.features.shape[0]):
            continue  # its handle lies beyond the drawing
        drag(page, f"roi {roi} move", *rng.integers(-90, 91, 2).tolist())
        page.execute_script(STEP_TO_THE_END)
        assert page.execute_script("return state.tick") == ticks
        after = scenario_of(page)
        moved = not np.array_equal(after.rois, scenario.rois)  # it may be held at the edge
        chosen, kept = page.execute_script("return [state.roi, state.left]")  # another's handle may lie above
        assert kept in ((None,) if moved else (None, left))  # a drag puts the slider where the RoI is, moved or not
        dragged += moved
        left = float(after.rois[chosen, 0] * after.spatial_scale) if kept is None else left
        check(page, PageNumbers(after, left=left, **own), ["en", "ko"][number % 2])
    assert dragged > scenarios // 2


def test_one_number_is_asked_for_before_it_is_shown(page):
    from selenium.webdriver import Keys

    expected = PageNumbers(worked_example(), left=1.0)
    asked = '[data-figure="path"] [data-field="answer"]'
    kinds = ["sent", "fc7", "fc7", "nothing", "fc6", "fc6", "bin", "cell"]
    for number, kind in enumerate(kinds):
        answer = expected["path.nothing" if kind == "nothing" else f"path.{kind} 0"]
        assert len(page.find_elements("css selector", '[data-figure="path"] .told')) == number
        if number == 5:  # or it is shown
            page.execute_script("""document.querySelector('[data-figure="path"] .asked button').click()""")
            continue
        field = page.find_element("css selector", asked)
        assert number in (0, 6) or field == page.switch_to.active_element
        field.send_keys(f"{answer + 0.01:.4f}", Keys.ENTER)
        assert page.execute_script("return [state.answers.length, state.tries]") == [number, 1]
        assert page.find_element("css selector", '[data-figure="path"] .asked span').text
        field.clear()
        field.send_keys(f"{answer:.4f}".replace("-", "−"), Keys.ENTER)
        check(page, expected)
    assert page.execute_script("return state.answers") == ["right"] * 5 + ["shown"] + ["right"] * 2
    whole = page.find_element("css selector", '[data-figure="path"] .note').text
    assert f"{expected['both.dfeatures 2 3']:.4f}" in whole
    assert (expected["path.sent 0"], expected["path.cell 0"]) == pytest.approx((-1 / 3, 0.04))
    page.execute_script("""document.querySelector('[data-figure="path"] .again').click()""")
    assert page.find_elements("css selector", '[data-figure="path"] .told') == []


def test_answers_that_were_of_other_numbers_are_taken_back(page):
    answered = "return state.answers.length"
    for changed in ({"roi": 1}, {"scenario": replace(worked_example(), pooling="average").as_data()}):
        change(page, roi=0, scenario=worked_example().as_data(), answers=["right"] * 3)
        change(page, sent="box", tick=2)
        assert page.execute_script(answered) == 3
        change(page, **changed)
        assert page.execute_script(answered) == 0


def test_no_dashed_line_runs_through_a_digit(page):
    """Below every number of a map with boxes lies a rectangle that covers the lines, and covers all of the number."""
    uncovered = """
        return [...document.querySelectorAll('svg.map')].filter((map) => map.querySelector('.outline'))
          .flatMap((map) => [...map.querySelectorAll('text.value')]).filter((text) => text.textContent)
          .filter((text) => {
            const below = text.previousElementSibling;
            if (below?.localName !== 'rect') return true;
            const [word, rect] = [text.getBBox(), below.getBBox()];
            const outline = text.ownerSVGElement.querySelector('.outline');
            const above = outline.compareDocumentPosition(below) & Node.DOCUMENT_POSITION_FOLLOWING;
            return !above || word.x < rect.x - 1 || word.x + word.width > rect.x + rect.width + 1;
          }).map((text) => text.outerHTML);"""
    for pooling in POOLINGS:
        change(page, scenario=replace(worked_example(), pooling=pooling).as_data(), tick=12)
        assert page.execute_script("return document.querySelectorAll('svg.map text.value').length") > 50
        assert page.execute_script(uncovered) == []


def test_one_sample_is_shared_out_among_four_cells(page):
    change(page, scenario=replace(worked_example(), pooling="align").as_data())
    shown = page.find_elements("css selector", '[data-of^="sample.share"]')
    assert [each.text for each in shown] == ["0.28", "0.12", "0.42", "0.18"]
    drag(page, "sample", 61, -40)
    x, y = page.execute_script("return state.sample")
    assert (x, y) != (1.3, 2.6)
    expected = PageNumbers(scenario_of(page), left=1.0, sample=(x, y))
    check(page, expected)
    assert sum(expected[f"sample.share {i}"] for i in range(4)) == pytest.approx(1)


def test_a_dragged_box_has_a_slope_with_align_alone(page):
    """By max and average the loss is flat, or jumps; by RoIAlign its slope is the coordinates' gradient."""
    for pooling in POOLINGS:
        scenario = replace(worked_example(), pooling=pooling)
        change(page, scenario=scenario.as_data(), roi=1, left=2.8)
        values = page.execute_script(
            "return Object.fromEntries([...document.querySelectorAll('#the-box [data-of]')]"
            ".map((e) => [e.dataset.of, Number(e.dataset.value)]))"
        )
        assert (values["stairs.difference 1"] == 0) == (pooling != "align")
        assert ("drois 1 0" in values) == (pooling == "align")
    assert values["drois 1 0"] == pytest.approx(values["stairs.slope 1"], abs=1e-6)
    assert abs(values["drois 1 0"]) > 1e-3


def test_the_figures_of_the_study_are_those_of_its_page():
    studies = (Path(__file__).parent.parent / "docs" / "studies.md").read_text(encoding="utf-8")
    words = json.loads((PARTS / "words.json").read_text(encoding="utf-8"))["stairs.taken"]
    for number in (*STUDY, "65"):
        assert number in studies
        assert all(number in words[language] for language in ("en", "ko"))


def test_the_published_figures_are_those_of_the_road():
    road = (Path(__file__).parent.parent / "docs" / "road.md").read_text(encoding="utf-8")
    words = json.loads((PARTS / "words.json").read_text(encoding="utf-8"))
    for language in ("en", "ko"):
        told = "".join(words[f"system.costs.{name}"][language] for name in ("rcnn", "spp", "fast", "faster"))
        figures = set(re.findall(r"\d+\.\d+|(?<!\d)(?:84|47|25)(?!\d)", told))
        assert figures == PUBLISHED | {"84", "47", "25"}
        assert all(figure in road for figure in figures)


def test_bins_and_rounding_are_the_kernels_at_every_size(page):
    """Float32 bins differ from float64 ones at a few sizes only, which no dragged box may ever meet."""
    sizes, counts = range(1, 200), range(1, 15)
    edges = page.execute_script(
        """
        const [sizes, counts] = arguments;
        return sizes.flatMap((size) => counts.flatMap((bins) =>
          Array.from({ length: bins }, (_, p) => binEdges(-3, size, bins, p, 150))));""",
        list(sizes), list(counts),
    )  # fmt: skip
    expected = [_bin_edges(-3, size, bins, p, 150) for size in sizes for bins in counts for p in range(bins)]
    assert [tuple(edge) for edge in edges] == expected
    halves = [n / 4 for n in range(-40, 41)]
    rounded = page.execute_script("return arguments[0].map(roundHalfAway)", halves)
    assert rounded == [_round_half_away(value) for value in halves]


@pytest.mark.parametrize("screen", ["roi", "backward roi", "proposal", "truth"])
def test_a_box_is_dragged_and_every_number_follows(page, screen):
    key = "truth" if screen == "truth" else "rois"
    r = 1 if "roi" in screen else 0
    before = scenario_of(page)
    for number, (what, dx, dy) in enumerate(DRAGS):
        drag(page, f"{screen} {r} {what}", dx, dy)
        after = scenario_of(page)
        assert number == 3 or not (getattr(after, key)[r] == getattr(before, key)[r]).all(), what
        assert (np.delete(getattr(after, key), r, 0) == np.delete(getattr(before, key), r, 0)).all()
        left = float(after.rois[page.execute_script("return state.roi"), 0])
        check(page, PageNumbers(after, left=left))
        before = after
    assert getattr(after, key)[r, :2].tolist() == [-1, -1]  # stopped one cell beyond the map


def test_a_finger_drags_the_box_and_not_the_page(page):
    phone = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    page.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    page.refresh()
    try:
        before = scenario_of(page)
        scrolled = drag(page, "roi 1 move", -60, 50, finger=True)
        after = scenario_of(page)
        assert after.rois[1].tolist() == (before.rois[1] + np.array([-1.25, 1, -1.25, 1])).tolist()
        assert page.execute_script("return scrollY") == scrolled
    finally:
        page.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_arrow_keys_move_a_box_that_keeps_the_focus(page):
    from selenium.webdriver import Keys

    handle = page.find_element("css selector", '[data-handle="roi 0 move"]')
    handle.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert scenario_of(page).rois[0].tolist() == [1.5, 0.25, 5.5, 4.25]
    focused = page.switch_to.active_element
    assert focused.get_attribute("data-handle") == "roi 0 move"
    focused.send_keys(Keys.SHIFT + Keys.ARROW_LEFT)
    after = scenario_of(page)
    assert after.rois[0].tolist() == [0.5, 0.25, 4.5, 4.25]
    check(page, PageNumbers(after, left=0.5))


def test_the_backward_is_stepped_to_its_end(page):
    expected = PageNumbers(worked_example(), left=1.0)
    forward = page.find_element("css selector", "#roi-pool-backward .stepper button:nth-of-type(3)")
    for tick in range(1, 13):
        forward.click()
        assert page.execute_script("return state.tick") == tick
        check(page, expected)
    assert not forward.is_enabled()
    cells = page.execute_script(
        "return [...document.querySelectorAll('#roi-pool-backward svg.map [data-of]')].map((e) => e.dataset.value)"
    )
    dfeatures = expected.f["both.dfeatures"]
    assert sorted(map(float, cells)) == pytest.approx(sorted(dfeatures[dfeatures != 0]), rel=0, abs=1e-9)


def test_a_cell_gets_another_value_and_the_example_comes_back(page):
    field = page.find_element("css selector", '[data-field="value"]')
    page.execute_script(
        "arguments[0].value = '9'; arguments[0].dispatchEvent(new Event('change'))", field
    )  # still 9: nothing changes
    again = page.find_element("css selector", "#strip .again")
    assert not again.is_enabled()
    change(page, cell=[2, 4])
    page.execute_script("arguments[0].value = '9'; arguments[0].dispatchEvent(new Event('change'))", field)
    tied = scenario_of(page)
    assert tied.features[2, 4] == 9
    expected = PageNumbers(tied, left=1.0)
    check(page, expected)
    # Two cells tie in bins of A and B: the first gets all, numerically they share.
    assert expected["both.dfeatures 2 4"] == 0
    assert abs(expected["nudge.numeric both 2 4 0.001"]) > 0.01
    again.click()
    assert (scenario_of(page).features == worked_example().features).all()
    check(page, PageNumbers(worked_example(), left=1.0))


def test_every_choice_shows_what_is_chosen_from_the_beginning(page):
    shown = page.execute_script(
        "return [...document.querySelectorAll('select')].map((e) => [e.dataset.field, e.value])"
    )
    first = str(page.execute_script("return DATA.model.first"))
    assert shown == [["system", "fast"], ["label", "5"], ["code", "0"], ["region", first]]
    for group in page.find_elements("css selector", "[role=radiogroup]"):
        assert len(group.find_elements("css selector", "[aria-checked=true]")) == 1


def test_its_language_is_chosen(page):
    for language, title in (
        ("ko", "박스 손실의 그래디언트가 거슬러 올라가는 길"),
        ("en", "The journey of the box loss"),
    ):
        page.find_element("css selector", f'[data-choose="{language}"]').click()
        assert page.execute_script("return [document.documentElement.lang, document.title]") == [language, title]
        shown = [heading.text for heading in page.find_elements("css selector", "h1") if heading.is_displayed()]
        assert shown == [title]


def test_it_plays_by_itself(page):
    from selenium.webdriver.support.wait import WebDriverWait

    page.execute_script("change({ tick: 10 })")
    page.find_element("css selector", "#roi-pool-backward .play").click()
    WebDriverWait(page, 10).until(lambda _: page.execute_script("return state.tick === 12 && !state.playing"))


TAB_STOPS = """
    return [...document.querySelectorAll('button, select, input, a[href], summary, [tabindex="0"]')]
      .filter((e) => e.tabIndex >= 0 && !e.disabled && e.checkVisibility()).map((e, i) => (e.dataset.tab = i));"""
OF_NO_GROUP = """
    return [...document.querySelectorAll('button, select, input, a[href], summary, [tabindex]')]
      .filter((e) => e.tabIndex < 0 && !e.disabled && e.checkVisibility())
      .filter(({ dataset: own }) => !('handle' in own || 'cell' in own || 'output' in own)) // with keys of their own
      .filter((e) => !('item' in e.dataset) || !e.closest('[data-rove]')).map((e) => e.outerHTML.slice(0, 90));"""


@pytest.mark.parametrize("changed", [{}, {"tick": 5, "answers": ["shown"]}])
def test_every_control_is_reached_by_the_tab_key_or_by_arrows(page, changed):
    from selenium.webdriver import ActionChains, Keys

    moved = worked_example().rois + 0.25
    change(page, scenario=replace(worked_example(), rois=moved, pooling="align").as_data() if changed else
           worked_example().as_data(), **changed)  # fmt: skip
    wanted = set(page.execute_script(TAB_STOPS))
    reached = set()
    for _ in range(len(wanted) + 5):
        ActionChains(page).send_keys(Keys.TAB).perform()
        if (tab := page.execute_script("return document.activeElement.dataset.tab")) is not None:
            reached.add(int(tab))
    assert reached == wanted
    assert 40 < len(wanted) <= 60
    assert page.execute_script(OF_NO_GROUP) == []


def test_arrow_keys_move_within_a_group(page):
    from selenium.webdriver import Keys

    def focused() -> str:
        return page.execute_script(
            "const e = document.activeElement; return e.dataset.handle ?? e.dataset.sum ?? e.textContent.trim()"
        )

    def press(*keys: str) -> str:
        for key in keys:
            page.switch_to.active_element.send_keys(key)
        return focused()

    page.execute_script("document.querySelector('#two-outputs [role=radio][aria-checked=true]').focus()")
    assert press(Keys.ARROW_RIGHT) == "B"
    assert page.execute_script("return state.roi") == 1  # moving on chooses
    assert press(Keys.END) == "C"
    assert press(Keys.ARROW_DOWN) == "C"
    assert press(Keys.HOME) == "A"
    page.execute_script("document.querySelector('[data-sum][tabindex=\"0\"]').focus()")
    assert press(Keys.ARROW_LEFT) == "dh6 5"
    assert page.execute_script("return state.sum") == {"layer": "dh6", "i": 5}
    page.execute_script("document.querySelector('#on-paper summary').focus()")
    assert press(Keys.ARROW_DOWN).startswith("Which 4 of the 56")
    page.execute_script("document.querySelector('[data-handle=\"roi 0 move\"]').focus()")
    assert press(Keys.ENTER) == "roi 0 size"
    assert press(Keys.ENTER) == "roi 1 move"
    before = scenario_of(page).rois[1]
    assert press(Keys.ARROW_UP) == "roi 1 move"
    assert (scenario_of(page).rois[1] == before - [0, 0.25, 0, 0.25]).all()


def test_the_strip_leads_to_every_screen_in_every_system(page):
    sections = page.execute_script("return [...document.querySelectorAll('.screen')].map((e) => e.id)")
    for system in page.execute_script("return Object.keys(SYSTEMS)"):
        change(page, system=system)
        numbers = page.execute_script("return [...document.querySelectorAll('#strip .numbers a')].map((e) => e.hash)")
        assert numbers == [f"#{name}" for name in sections]
        stages = page.execute_script("return [...document.querySelectorAll('#strip ol a')].map((e) => e.hash)")
        assert len(stages) >= 7
        assert set(stages) <= set(numbers)
    assert len(sections) == 11
    page.execute_script("document.querySelector('#strip .numbers li:nth-child(7) a').click()")
    from selenium.webdriver.support.wait import WebDriverWait

    reading = "return document.querySelector('#strip [aria-current]')?.hash"
    WebDriverWait(page, 10).until(lambda _: page.execute_script(reading) == "#prove")


def test_what_each_system_learns_from(page):
    """The table of screen 10, as the papers have it."""
    reached = {
        name: page.execute_script(
            "return Object.fromEntries(SYSTEMS[arguments[0]].stages.flat().map((each) => [each.name, each.losses]))",
            name,
        )
        for name in ("rcnn", "spp", "fast", "faster")
    }
    for name in ("rcnn", "spp"):  # what SVMs and regression get wrong never comes back into the network
        for loss in ("svm", "ridge"):
            assert [stage for stage, losses in reached[name].items() if losses.get(loss) == "reaches"] == [loss]
    assert reached["rcnn"]["convolutions"] == {"tuning": "reaches"}
    assert reached["spp"]["convolutions"] == {}
    assert reached["spp"]["pyramid"] == {"tuning": "stops"}
    assert reached["fast"]["features"] == {"class": "reaches", "box": "reaches"}
    assert reached["faster"]["features"] == {"class": "reaches", "box": "reaches", "rpn": "reaches"}
    assert reached["faster"]["rpn"] == {"class": "stops", "box": "stops", "rpn": "reaches"}


def test_on_paper_all_is_open_and_done_and_afterwards_as_before(page):
    state = "return [state.tick, state.answers.length, document.querySelectorAll('details[open]').length]"
    change(page, tick=3, answers=["right"])
    page.execute_script("document.querySelector('details').open = true")
    before = page.execute_script(state)
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    details = page.execute_script("return document.querySelectorAll('details').length")
    assert page.execute_script(state) == [12, 8, details]
    check(page, PageNumbers(worked_example(), left=1.0))
    page.execute_script("dispatchEvent(new Event('afterprint'))")
    assert page.execute_script(state) == before


@pytest.mark.parametrize("width", [400, 768, 1200])
@pytest.mark.parametrize("language", ["en", "ko"])
def test_nothing_is_wider_than_the_window(page, width, language):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True},
    )
    page.execute_script("speak(arguments[0])", language)
    wide = page.execute_script("""
        return [...document.querySelectorAll('body *')].filter((e) => !e.closest('svg, pre') && e.checkVisibility()
          && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 90));""")
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide == []
