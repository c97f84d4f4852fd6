"""Reading a file that somebody else may have put there: regular, small, at once, or an OSError.

A named pipe in the place of a settings file would hold up a start for ever, a device would fill the
memory, and a file of gigabytes does so more slowly.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MIB = 1 << 20


def read_small(path: Path, limit: int = MIB) -> bytes:
    """The whole content. Raises OSError (its `strerror` fit for people) for what is not a regular
    file, or larger than limit bytes."""
    # Without O_NONBLOCK the opening itself would wait for somebody to write into a pipe.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        # What was opened is examined, not the name, so that it cannot be exchanged in between.
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if found.st_size > limit:
            text = f"{found.st_size} bytes, allowed are {limit}"
            raise OSError(errno.EFBIG, text, str(path))
        parts = []
        while part := os.read(descriptor, limit):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)
