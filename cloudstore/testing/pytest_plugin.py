"""Fixtures for applications' tests; pytest finds them where this package is installed.

It must be light, because every run of pytest imports it: nothing is imported before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .qiniu import QiniuSimulator

__all__ = ["qiniu_simulator"]


@pytest.fixture
def qiniu_simulator() -> Iterator[QiniuSimulator]:
    """A `cloudstore.testing.qiniu.QiniuSimulator` of the test's own, with no buckets."""
    from .qiniu import QiniuSimulator

    with QiniuSimulator() as simulator:
        yield simulator
