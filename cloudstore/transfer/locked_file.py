"""A file that one process, and one call in it, holds at a time; it may be gone while it is opened."""

from __future__ import annotations

import errno
import fcntl
import os

__all__ = ["open_locked"]


def open_locked(path: str, taken: str) -> int:
    """Opens a file for reading and writing, makes it where there is none, and locks it.

    The lock ends with the descriptor. Blocks only as a disk does.

    Args:
        taken: what the error says where another one holds it.

    Raises:
        BlockingIOError: another process, or call, holds it.
        OSError: it cannot be opened or made.
    """
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(fd), os.stat(path)):
                return fd
        except FileNotFoundError:
            pass  # who held it has just renamed or removed it
        except BlockingIOError:
            os.close(fd)
            raise BlockingIOError(errno.EWOULDBLOCK, taken, path) from None
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)
