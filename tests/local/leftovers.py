"""What a root holds that belongs to nothing: looked for from outside, by reading the disk."""

from __future__ import annotations

import os
from pathlib import Path

from cloudstore.disk.layout import find_head
from cloudstore.errors import NotFoundError
from cloudstore.store import Store

__all__ = ["empty_folders", "leftovers"]


def leftovers(root: Path, store: Store) -> list[str]:
    """Everything under ``.cloudstore`` that should not be there while nobody but `store` writes.

    `store` has written at least once, so one folder in ``tmp`` is its own, with nothing but a lock.
    """
    internal = root / ".cloudstore"
    found = [f"temporary file {path}" for path in internal.glob("tmp/*/*") if path.name != "lock"]
    folders = list(internal.glob("tmp/*"))
    if len(folders) > 1:
        found.append(f"{len(folders)} temporary folders, one is ours")
    found += [f"upload {path.name}" for path in internal.glob("uploads/*")]
    for path in internal.glob("lock/*"):
        if path.read_bytes()[:4].strip(b"\0"):
            found.append(f"lock {path.name} has a note")
    for path in internal.glob("meta/*"):
        why = _orphan(path, store)
        if why:
            found.append(f"sidecar {path.name}: {why}")
    return found


def empty_folders(root: Path) -> list[Path]:
    """Folders of objects that are no more; nobody sees them but who looks at the disk."""
    folders = [*(root / ".cloudstore/shadow").glob("**/"), *root.glob("b/**/")]
    keep = (root / ".cloudstore/shadow", root / "b")
    return [path for path in folders if path not in keep and not any(path.iterdir())]


def _orphan(path: Path, store: Store) -> str:
    """Why a sidecar belongs to no live object, or ""."""
    fd = os.open(path, os.O_RDONLY)
    try:
        any_head = find_head(fd)
        if any_head is None:
            return "it holds no head"
        bucket, key = any_head["bucket"], any_head["key"]
        try:
            etag = store.head_object(bucket, key).etag
        except NotFoundError:
            return f"there is no object {bucket}/{key!r}"
        return "" if find_head(fd, etag or "") else f"none of its heads is of {bucket}/{key!r} as it is"
    finally:
        os.close(fd)
