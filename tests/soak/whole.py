"""The drivers that are wrong on purpose and left out by `make test`; `make conformance` runs this."""

from __future__ import annotations

import pytest

from .broken import BROKEN, Broken
from .test_soak import find_out, s3
from .vendors import Vendor

__all__ = ["s3"]


@pytest.mark.parametrize("broken", BROKEN[1::2], ids=lambda broken: broken.driver.__name__)
def test_a_broken_driver_is_found_out(s3: Vendor, broken: Broken) -> None:
    find_out(s3, broken)
