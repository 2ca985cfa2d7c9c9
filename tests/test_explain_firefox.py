"""The gradient page in a second browser: the same numbers, dragged by the mouse and by keys, and on paper."""

from dataclasses import replace

import numpy as np
import pytest
from firefox import open_firefox
from page_checks import change, check_in_both_languages, random_scenario, scenario_of
from page_numbers import PageNumbers

from minircnn.explain.scenario import POOLINGS, SENT, worked_example

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def firefox():
    with open_firefox() as browser:
        yield browser


@pytest.fixture
def page(firefox, gradient_page):
    firefox.get(gradient_page.as_uri())
    firefox.complaints.clear()
    yield firefox
    assert firefox.complaints == []
    assert firefox.asked == []


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_number_is_the_kernels(page, pooling):
    scenario = replace(worked_example(), pooling=pooling)
    for roi, sent in enumerate(SENT):
        change(page, scenario=scenario.as_data(), roi=roi, sent=sent, tick=4 * roi + 4, left=1.3, steps=5 * roi,
               answers=["shown"] * 8, bin=roi, code=3 * roi)  # fmt: skip
        seen = check_in_both_languages(page, PageNumbers(scenario, left=1.3, steps=5 * roi))
    assert len(seen) > 350


@pytest.mark.slow
def test_every_number_of_random_scenarios_is_the_kernels(page):
    rng = np.random.default_rng(34)
    for number in range(51):
        scenario = random_scenario(rng, list(POOLINGS)[number % 3])
        roi, left = int(rng.integers(len(scenario.rois))), float(rng.integers(-4, 20) / 4 + 0.1)
        change(page, scenario=scenario.as_data(), roi=roi, sent=SENT[number // 3 % 3], tick=2, left=left, bin=0,
               steps=number % 7, answers=["shown"] * 8, code=number % 14, cell=[1, 2])  # fmt: skip
        check_in_both_languages(page, PageNumbers(scenario, left=left, steps=number % 7))


def test_a_box_is_dragged_and_moved_by_keys(page):
    from selenium.webdriver import Keys

    page.drag("roi 1 move", 61, 37)
    after = scenario_of(page)
    assert not np.array_equal(after.rois[1], worked_example().rois[1])
    assert np.array_equal(after.rois[[0, 2]], worked_example().rois[[0, 2]])
    check_in_both_languages(page, PageNumbers(after, left=float(after.rois[1, 0])))
    page.execute_script("document.querySelector('[data-handle=\"roi 1 move\"]').focus()")
    page.press(Keys.ENTER, Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert (scenario_of(page).rois[1] - after.rois[1]).tolist() == [0, 0, -0.5, 0]
    assert page.execute_script("return document.activeElement.dataset.handle") == "roi 1 size"


@pytest.mark.slow
def test_it_prints(page, tmp_path):
    page.print(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    assert page.execute_script("return [state.tick, state.paper]") == [0, False]  # and is as it was
