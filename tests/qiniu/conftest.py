from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloudstore.testing.qiniu import QiniuSimulator
from tests.qiniu.harness import LIMITS


@pytest.fixture(scope="session")
def qiniu() -> Iterator[QiniuSimulator]:
    with QiniuSimulator(limits=LIMITS) as simulator:
        yield simulator
