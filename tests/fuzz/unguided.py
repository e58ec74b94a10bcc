"""One target by chance alone, where atheris is not.

Started by ``python -m tests.fuzz``, as ``python -m tests.fuzz.unguided TARGET SECONDS FOUND``.
"""

from __future__ import annotations

import hashlib
import random
import signal
import sys
import time
from pathlib import Path

from .bounds import CASE_SECONDS, check
from .target import mutated
from .targets import TARGETS


def _hangs(number: int, frame: object) -> None:
    raise TimeoutError(f"it takes longer than {CASE_SECONDS} seconds")


def main() -> int:
    signal.signal(signal.SIGALRM, _hangs)
    target, seconds, found = TARGETS[sys.argv[1]], float(sys.argv[2]), Path(sys.argv[3])
    dice, runs, end = random.Random(), 0, time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            data = mutated(target, dice)
            runs += 1
            signal.alarm(CASE_SECONDS)
            check(target, data)
    except BaseException:
        # Whatever it was, an interruption of something that hangs included.
        (found / f"crash-{hashlib.sha1(data).hexdigest()}").write_bytes(data)
        raise
    finally:
        print(f"runs {runs}, not guided")
    return 0


if __name__ == "__main__":
    sys.exit(main())
