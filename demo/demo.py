"""The demo: keeps this repository's own files in a store, lists them, and reads one back.

``make demo`` runs it. It writes into ``./demo-data`` (or the folder that it is given) and nowhere else,
and may be run any number of times.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from cloudstore import BucketAlreadyExistsError, Store, StoreFactory

HERE = Path(__file__).resolve().parent.parent
BUCKET = "repository"
NOT_OURS = {".venv", "build", "dist", "demo-data", "__pycache__"}
"""Folders that are no part of the source, where git cannot say what is."""


def source_files(root: Path) -> list[str]:
    """The paths of the repository's files, relative to `root`: git's, or those of the tree."""
    try:
        listed = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-z"], capture_output=True, check=True
        ).stdout
        found = [name for name in listed.decode().split("\0") if (root / name).is_file()]
    except (OSError, subprocess.CalledProcessError):
        found = []
    return sorted(found) or sorted(_tree_files(root))


def _tree_files(root: Path) -> list[str]:
    return [
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file()
        and not any(
            part in NOT_OURS or (part.startswith(".") and part != ".ci")
            for part in path.relative_to(root).parts
        )
    ]


def upload(store: Store, root: Path) -> tuple[dict[str, int], float]:
    """Stores every file; returns their names and sizes, and the seconds it took."""
    try:
        store.create_bucket(BUCKET)
    except BucketAlreadyExistsError:
        store.delete_bucket(BUCKET, force=True)
        store.create_bucket(BUCKET)
    began = time.perf_counter()
    sizes = {
        name: store.create_object_from_file(BUCKET, name, root / name).size
        for name in source_files(root)
    }
    return sizes, time.perf_counter() - began


def listing(store: Store) -> list[str]:
    """What the bucket holds at its top, as lines of a table: folders first, as in any listing."""
    held: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for found in store.get_all_objects(BUCKET):
        folder = found.key.partition("/")[0] + "/"
        held[folder] += 1
        sizes[folder] += found.size
    lines = [f"  {'':<24} {'files':>8} {'bytes':>12}"]
    top = store.get_all_objects(BUCKET, delimiter="/")
    for prefix in top.prefixes:
        name = prefix.prefix
        lines.append(f"  {name:<24} {held[name]:>8,} {sizes[name]:>12,}")
    lines += [f"  {found.key:<24} {'':>8} {found.size:>12,}" for found in top.objects]
    return lines


def main(folder: Path) -> None:
    """Runs the demo and says what it does."""
    url = folder.resolve().as_uri()
    with StoreFactory.create(url) as store:
        sizes, seconds = upload(store, HERE)
        count, size = len(sizes), sum(sizes.values())
        print(f'\n  store = StoreFactory.create("{url}")\n')
        print(f"stored   {count} files, {size:,} bytes, in {seconds:.2f} s, as bucket {BUCKET!r}")
        print(f'listed   store.get_all_objects({BUCKET!r}, delimiter="/")\n')
        print("\n".join(listing(store)))
        largest = max(sizes, key=lambda name: sizes[name])
        found = store.get_object(BUCKET, largest)
        if found.read() != (HERE / largest).read_bytes():
            raise SystemExit(f"{largest} came back changed")
        print(f"\nread     {largest}: {found.size:,} bytes, equal to the file")
        print(f"         verified by {found.verified_by}, ETag {found.etag}")
    print(f"\nThe objects are plain files: look into {folder}/{BUCKET}")
    print("Next: make test (everything checked), make docs (the guide), README.md (the API)\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("demo-data"))
