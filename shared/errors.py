"""Every error a person may meet: what went wrong, where, and what is allowed.

An error of this family prints as one line and carries the exit code of its kind; anything else that
escapes a process is a bug and keeps its traceback.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the shell sees; 0 ok, others as `seawall --help` lists them."""

    OK = 0
    ERROR = 1
    NOT_FOUND = 2
    NOT_RUNNING = 3
    CONFIG = 4
    TIMEOUT = 5


class SeawallError(Exception):
    """The root: a failure that is explained in one line."""

    exit_code = ExitCode.ERROR


class NotFoundError(SeawallError):
    """A symbol, id or file that does not exist."""

    exit_code = ExitCode.NOT_FOUND


class NotRunningError(SeawallError):
    """The command needs a running engine and there is none in this run directory."""

    exit_code = ExitCode.NOT_RUNNING


class ConfigError(SeawallError):
    """Configuration that cannot be used; a child that ends with it is not restarted (L14)."""

    exit_code = ExitCode.CONFIG


class DeadlineError(SeawallError):
    """Something that had to happen within a deadline did not."""

    exit_code = ExitCode.TIMEOUT


class NumberError(SeawallError, ValueError):
    """A number that is not finite, not plain decimal text, or outside what is allowed."""


class MessageError(SeawallError, ValueError):
    """Bytes that are not a message of ours; the state they were meant for is unchanged."""


class RecordingError(SeawallError):
    """A recording that cannot be read: names the file and the line."""


class JournalError(SeawallError):
    """A journal that is broken, shorter than a peer's mark, or of another schema (L12)."""


class VenueError(SeawallError):
    """The venue said no in a way that stops a start: wrong keys, unknown symbols, not reachable."""
