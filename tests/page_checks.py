"""What the gradient page's tests in one browser and another share: what stands on the page, held to the kernels."""

import json
import re

import numpy as np
import pytest
from page_numbers import K1, PageNumbers

from minircnn.explain.scenario import Scenario

# Every shown number, and decimals that stand in words, choices and axes: constants of the page, and no results. As one
# text, since a driver takes long over lists of lists.
SHOWN = """
return JSON.stringify(arguments[0].map((language) => {
if (language) speak(language);
// the photograph's are in test_photograph.py, those of planted faults in test_faults.py
const all = [...document.querySelectorAll(`${arguments[1]} [data-of]`)];
const own = all.filter((e) => !e.closest('#model, [data-figure="break"]'));
const shown = own.map((e) => [e.dataset.of, e.dataset.value, e.textContent]);
const no = '[data-of], #model, [data-figure="break"], .choice, .frame, .source, [lang]';
const screens = [...document.querySelectorAll('.screen:not(#model)')].filter((e) => e.closest(arguments[1]));
const bare = screens.flatMap((e) => {
  const copy = e.cloneNode(true);
  for (const known of copy.querySelectorAll(no)) known.remove();
  return copy.textContent.match(/\\d+\\.\\d+/g) ?? [];
});
return [shown, bare];
}));
"""
CONSTANTS = {"0.01", "0.001", "0.1", "0.5", "0.00001"}
PUBLISHED = {"9.5", "2.3", "0.32", "0.198", "66.0", "63.1", "66.9", "69.9"}  # of the four systems, as on docs/road.md
STUDY = {"63.8", "65.7", "0.624", "0.319"}  # of `minircnn study approximate`, held to docs/studies.md


def change(page, **difference) -> None:
    page.execute_script("change(arguments[0])", difference)


def scenario_of(page) -> Scenario:
    """What the page has, as the kernels take it."""
    own = page.execute_script("return state.scenario")
    return Scenario(
        features=np.array(own["features"], float),
        rois=np.array(own["rois"], float),
        truth=np.array(own["truth"], float),
        labels=np.array(own["labels"]),
        std=np.array(own["std"], float),
        spatial_scale=own["scale"],
        output_size=tuple(own["outputSize"]),
        weights={name: np.array(weight, float) for name, weight in own["weights"].items()},
        biases={name: np.array(bias, float) for name, bias in own["biases"].items()},
        pooling=own["pooling"],
    )


def check(page, expected: PageNumbers, *languages: str, within: str = "main") -> set[str]:
    """Every number that stands there, or in a part, its whole value and what is written; → the names that were seen."""
    seen = set()
    for shown, bare in json.loads(page.execute_script(SHOWN, languages or [None], within)):
        seen |= check_shown(shown, expected)
        assert set(bare) <= CONSTANTS | STUDY | PUBLISHED
    return seen


def check_shown(shown: list, expected: PageNumbers) -> set[str]:
    seen = set()
    for of, value, text in shown:
        assert abs(float(value) - expected[of]) <= 1e-9, of
        written = text.replace("−", "-").replace("+", "")
        if place := re.fullmatch(r"\((\d+), (\d+)\)", written):
            assert divmod(int(float(value)), expected.W) == tuple(map(int, place.groups())), of
        elif "e" in written:
            assert float(written) == pytest.approx(float(value), rel=0.06), of
        else:
            digits = len(written.partition(".")[2])
            assert abs(float(written) - float(value)) <= 0.5 * 10**-digits + 1e-12, of
        seen.add(of)
    return seen


def check_in_both_languages(page, expected: PageNumbers) -> set[str]:
    return check(page, expected, "ko", "en")


def random_scenario(rng: np.random.Generator, pooling: str) -> Scenario:
    """Another map, other RoIs (some off the map, some inside out), other bins, scale and head."""
    H, W = rng.integers(4, 9, 2)
    R, output_size = int(rng.integers(2, 5)), tuple(int(size) for size in rng.integers(1, 4, 2))
    scale = float(rng.choice([1, 1 / 2, 1 / 8, 1 / 16]))
    features = rng.permutation(np.arange(H * W)).reshape(H, W) / 7.0 - 1
    corner = rng.integers(-4, 4 * np.array([W, H]), (R, 2)) / 4
    rois = np.concatenate([corner, corner + rng.integers(1, 4 * np.array([W, H]), (R, 2)) / 4], axis=1)
    truth = rois + rng.integers(-1, 2, (R, 4)) / 16
    labels = rng.integers(0, K1, R)
    labels[rng.integers(R)] = 0
    inside_out = (labels == 0) & (rng.random(R) < 0.3)
    rois[inside_out] = rois[inside_out][:, [2, 3, 0, 1]]
    hidden6, hidden7 = rng.integers(3, 8, 2)
    sizes = {"fc6": (output_size[0] * output_size[1], hidden6), "fc7": (hidden6, hidden7)}
    sizes |= {"cls_score": (hidden7, K1), "bbox_pred": (hidden7, 4 * K1)}
    return Scenario(
        features, rois / scale, truth / scale, labels, np.array([0.1, 0.1, 0.2, 0.2]), scale, output_size,
        {name: rng.standard_normal(size) * 0.4 for name, size in sizes.items()},
        {name: rng.standard_normal(size[1]) * 0.1 for name, size in sizes.items()}, pooling,
    )  # fmt: skip
