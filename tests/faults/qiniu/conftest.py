from __future__ import annotations

import pytest

from tests.faults.conftest import SCENES, Scene


@pytest.fixture(params=[scene for scene in SCENES if scene.vendor == "qiniu"], ids=str)
def scene(request: pytest.FixtureRequest) -> Scene:
    found: Scene = request.param
    return found
