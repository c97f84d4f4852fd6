"""What core_ext says when it refuses: a number, a frame or a record, with place and value.

All are ValueErrors, because core_ext imports nothing of ours; callers translate where they must.
Whatever was to be changed is unchanged when one of these is raised.
"""

from __future__ import annotations


class NumberRefused(ValueError):
    """A price, quantity or amount that cannot be held exactly: where, what, and what is allowed."""

    def __init__(self, place: str, value: object, allowed: str) -> None:
        super().__init__(f"{place} {value!r} refused: {allowed}")
        self.place = place
        self.value = value
        self.allowed = allowed

    def __reduce__(self) -> tuple[type[NumberRefused], tuple[str, object, str]]:
        return type(self), (self.place, self.value, self.allowed)


class FrameRefused(ValueError):
    """A frame that is not what the venue documents: the reason and the byte where it shows."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"frame refused at byte {offset}: {reason}")
        self.reason = reason
        self.offset = offset

    def __reduce__(self) -> tuple[type[FrameRefused], tuple[str, int]]:
        return type(self), (self.reason, self.offset)


class RecordRefused(ValueError):
    """Bytes that are not a quote or histogram of this version."""
