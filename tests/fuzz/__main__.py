"""``make fuzz``, and the way to run again what it found.

    python -m tests.fuzz run [TARGET…] [--seconds 60] [--out build/fuzz]
    python -m tests.fuzz replay TARGET FILE…

Guided by coverage where atheris is installed (libFuzzer over instrumented bytecode), else by chance
alone. Every target runs in a process of its own, from the inputs that earlier runs have kept in
``<out>/<target>/corpus``. What breaks one is kept in ``<out>/<target>/found``, and the command that
runs it again is printed. Afterwards the kept inputs are run once more, for their memory.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

from .bounds import CASE_SECONDS, check, check_memory
from .target import Target
from .targets import TARGETS, found_inputs

RESIDENT_MIB = 1024
SPARE_SECONDS = 120
"""What a run may take beyond its time before it is ended."""


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _dictionary(target: Target) -> str:
    """The fragments in libFuzzer's form; it takes none longer than 64 bytes."""
    words = [fragment for fragment in target.fragments if 0 < len(fragment) <= 64]
    return "".join('"{}"\n'.format("".join(f"\\x{byte:02x}" for byte in word)) for word in words)


def _command(target: Target, seconds: int, place: Path) -> list[str]:
    """The process that fuzzes a target."""
    corpus, found = _folder(place / "corpus"), _folder(place / "found")
    seeds = _folder(place / "seeds")
    for number, seed in enumerate(target.seeds):
        (seeds / f"{number}").write_bytes(seed)
    for path in found_inputs(target.name):
        (seeds / path.name).write_bytes(path.read_bytes())
    if importlib.util.find_spec("atheris") is None:
        module, options = "unguided", [f"{seconds}", f"{found}"]
    else:
        words = place / "dictionary"
        words.write_text(_dictionary(target))
        module = "guided"
        options = [
            f"-max_total_time={seconds}",
            f"-max_len={target.max_bytes}",
            f"-timeout={CASE_SECONDS}",
            f"-rss_limit_mb={RESIDENT_MIB}",
            f"-artifact_prefix={found}/",
            f"-dict={words}",
            "-print_final_stats=1",
            f"{corpus}",
            f"{seeds}",
        ]
    return [sys.executable, "-m", f"tests.fuzz.{module}", target.name, *options]


def _fuzz(target: Target, seconds: int, place: Path) -> bool:
    """Fuzzes a target; whether nothing was found."""
    known = set(_folder(place / "found").iterdir())
    log = place / "log"
    with log.open("wb") as output:
        command = _command(target, seconds, place)
        try:
            status = subprocess.run(
                command, stdout=output, stderr=output, check=False, timeout=seconds + SPARE_SECONDS
            ).returncode
        except subprocess.TimeoutExpired:
            status = -1
    for path in (place / "corpus").glob("*"):
        try:
            check_memory(target, path.read_bytes())
        except AssertionError:
            kept = place / "found" / f"memory-{path.name}"
            kept.write_bytes(path.read_bytes())
    found = sorted(set((place / "found").iterdir()) - known)
    good = status == 0 and not found
    print(f"{target.name}: {_summary(log)}: {'good' if good else 'BROKEN'}", flush=True)
    for path in found:
        print(f"  {sys.executable} -m tests.fuzz replay {target.name} {path}")
    if not good:
        print(f"  the log: {log}", flush=True)
    return good


def _summary(log: Path) -> str:
    """How far a run came: the last line of the fuzzer that has a number of runs."""
    lines = log.read_text(errors="replace").splitlines()
    told = (line for line in reversed(lines) if re.match(r"#\d|runs", line))
    return next(told, "no run").strip()


def _replay(target: Target, files: list[Path]) -> None:
    for path in files:
        data = path.read_bytes()
        taken = check(target, data)
        check_memory(target, data)
        print(f"{path}: {'taken' if taken else 'refused'}, within its bounds")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzzes the wire.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="fuzz for a while")
    run.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; without any, all")
    run.add_argument("--seconds", type=int, default=60, help="for each target")
    run.add_argument("--out", type=Path, default=Path("build/fuzz"))
    replay = commands.add_parser("replay", help="run what was found again")
    replay.add_argument("target", choices=list(TARGETS))
    replay.add_argument("files", nargs="+", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "replay":
        _replay(TARGETS[arguments.target], arguments.files)
        return 0
    unknown = set(arguments.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target {', '.join(sorted(unknown))}")
    names = arguments.targets or list(TARGETS)
    results = [_fuzz(TARGETS[name], arguments.seconds, arguments.out / name) for name in names]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
