from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .runners import RUNNERS, Network


@pytest.fixture(params=list(RUNNERS))
def make_runner(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Makes a runner of each kind; each is closed at the end, which waits for its branches."""
    made: list[Any] = []

    def make(network: Network | None = None) -> Any:
        made.append(RUNNERS[request.param](network))
        return made[-1]

    yield make
    for runner in made:
        runner.close()


@pytest.fixture
def runner(make_runner: Callable[..., Any]) -> Any:
    return make_runner()
