from __future__ import annotations

from collections.abc import Callable

import pytest
from report_examples import EXAMPLES

from tellsign.types import Report


@pytest.fixture(params=sorted(EXAMPLES))
def example(request: pytest.FixtureRequest) -> Report:
    return EXAMPLES[request.param]()


@pytest.fixture(params=sorted(EXAMPLES))
def named_example(request: pytest.FixtureRequest) -> tuple[str, Callable[[], Report]]:
    return request.param, EXAMPLES[request.param]
