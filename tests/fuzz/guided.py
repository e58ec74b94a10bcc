"""One target under atheris: ``python -m tests.fuzz.guided TARGET [libFuzzer's options]``.

Started by ``python -m tests.fuzz``. The code under test is instrumented as it is imported, so nothing
of it may be imported before.
"""

from __future__ import annotations

import sys

import atheris


def main() -> None:
    # What a text begins with guides the fuzzer as comparisons of numbers do.
    atheris.enabled_hooks.add("str")
    with atheris.instrument_imports(include=["cloudstore"]):
        from .bounds import check
        from .targets import TARGETS
    target = TARGETS[sys.argv[1]]
    atheris.Setup([sys.argv[0], *sys.argv[2:]], lambda data: int(check(target, data)) * 0)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
