"""The file that says which upload of a local file was begun, so that another process goes on with it.

It holds no secret. Functions here block; flows call them by `Call`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from ..errors import InvalidArgumentError
from ..model import UploadRef
from .locked_file import open_locked

__all__ = ["Remembered", "UploadState"]

TAKEN = "another upload of this file to this object is under way"
Identity = Mapping[str, Any]
"""What is uploaded, to ``where``, and how: JSON values. Another one begins anew."""


class Remembered(NamedTuple):
    """What a state file says.

    Attributes:
        ref: the upload.
        is_same: whether it is of the same source, with the same options.
        is_here: whether it is to the same object, of the same account's endpoint.
    """

    ref: UploadRef
    is_same: bool
    is_here: bool


class UploadState:
    """A state file, held by one process at a time."""

    def __init__(self, path: str, fd: int) -> None:
        self._path = path
        self._fd = fd

    @classmethod
    def open(cls, path: str) -> UploadState:
        """Opens it, or makes an empty one.

        Raises:
            BlockingIOError: another process, or thread, is at it.
            OSError: it cannot be made.
        """
        return cls(path, open_locked(path, TAKEN))

    def read(self, identity: Identity) -> Remembered | None:
        """What was begun; None where nothing was, or what is there cannot be read."""
        text = os.pread(self._fd, os.fstat(self._fd).st_size, 0)
        try:
            held = json.loads(text)
            ref = UploadRef.from_json(json.dumps(held["ref"]))
            known = dict(held["identity"])
        except (ValueError, KeyError, TypeError, InvalidArgumentError):
            return None
        return Remembered(ref, known == dict(identity), known.get("where") == identity["where"])

    def write(self, identity: Identity, ref: UploadRef) -> None:
        """Says that this was begun."""
        held = {"identity": dict(identity), "ref": json.loads(ref.to_json())}
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, json.dumps(held, sort_keys=True).encode(), 0)

    def remove(self) -> None:
        """The upload has ended."""
        with suppress(FileNotFoundError):
            os.unlink(self._path)

    def close(self) -> None:
        """Lets go of it; a file in which nothing was said is removed."""
        if os.fstat(self._fd).st_size == 0:
            self.remove()
        os.close(self._fd)
