"""What all tests share: a seeded generator, and Hypothesis without deadlines (a first call compiles)."""

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("minircnn", deadline=None, derandomize=True, max_examples=30, database=None)
settings.load_profile("minircnn")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20150430)
