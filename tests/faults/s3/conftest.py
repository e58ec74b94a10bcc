from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.faults.conftest import SCENES, MakeStage, Scene
from tests.faults.stage import Stage
from tests.s3.scripted import Asked, Say, ScriptedServer

Answer = Callable[[Callable[[Asked], Say] | list[Say]], Stage]


@pytest.fixture(params=[scene for scene in SCENES if scene.vendor == "s3"], ids=str)
def scene(request: pytest.FixtureRequest) -> Scene:
    found: Scene = request.param
    return found


@pytest.fixture
def answer(make_stage: MakeStage) -> Iterator[Answer]:
    """Makes a stage before a server that answers by a script."""
    with ExitStack() as servers:
        yield lambda script: make_stage(servers.enter_context(ScriptedServer(script)).url)
