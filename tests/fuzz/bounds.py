"""One run of a target, held to bounds: which errors, how long, how much memory."""

from __future__ import annotations

import time
import tracemalloc

from cloudstore.errors import CloudStoreError

from .target import Target

__all__ = ["CASE_SECONDS", "check", "check_memory"]

MAX_CPU_SECONDS = 5.0
"""No input of these sizes takes a hundredth of it, on any machine."""
CASE_SECONDS = 20
"""`make fuzz` ends an input that takes longer: it hangs."""
ALLOWED_BYTES = 4 * 1024 * 1024
"""Memory that a case may need beside `ALLOWED_COPIES` of its input."""
ALLOWED_COPIES = 100
"""An element of XML takes as many bytes as its shortest form has, times this."""


def check(target: Target, data: bytes) -> bool:
    """Whether the target took the input; False: it refused it.

    Raises:
        AssertionError: it did neither as it should.
    """
    began = time.process_time()
    try:
        target.run(data)
        taken = True
    except CloudStoreError:
        taken = False
    except Exception as exc:
        raise AssertionError(f"{target.name}: {exc!r} from {data!r}") from exc
    took = time.process_time() - began
    assert took < MAX_CPU_SECONDS, f"{target.name}: {took:.1f} s for {data!r}"
    return taken


def check_memory(target: Target, data: bytes) -> None:
    """Runs the target under `tracemalloc`."""
    tracemalloc.start()
    try:
        check(target, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    allowed = ALLOWED_BYTES + ALLOWED_COPIES * len(data)
    assert peak < allowed, f"{target.name}: {peak} bytes for {data!r}"
