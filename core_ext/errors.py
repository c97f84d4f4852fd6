"""What core_ext says when it refuses: a number, a frame or a record, with place and value.

All are ValueErrors, because core_ext imports nothing of ours; callers translate where they must.
Whatever was to be changed is unchanged when one of these is raised.
"""

from __future__ import annotations


class NumberRefused(ValueError):
    """A price, quantity or amount that cannot be held exactly: where, what, and what is allowed.

    `frame` is the place of the frame in a batch of frames, None outside one.
    """

    def __init__(self, place: str, value: object, allowed: str, frame: int | None = None) -> None:
        where = place if frame is None else f"frame {frame}: {place}"
        super().__init__(f"{where} {value!r} refused: {allowed}")
        self.place = place
        self.value = value
        self.allowed = allowed
        self.frame = frame

    def of_frame(self, frame: int | None) -> NumberRefused:
        """The same, of a frame of a batch, or of one alone."""
        return type(self)(self.place, self.value, self.allowed, frame)

    def __reduce__(self) -> tuple[type[NumberRefused], tuple[str, object, str, int | None]]:
        return type(self), (self.place, self.value, self.allowed, self.frame)


class FrameRefused(ValueError):
    """A frame that is not what the venue documents: the reason and the byte where it shows.

    `frame` is its place in a batch of frames, None outside one.
    """

    def __init__(self, reason: str, offset: int, frame: int | None = None) -> None:
        which = "frame" if frame is None else f"frame {frame}"
        super().__init__(f"{which} refused at byte {offset}: {reason}")
        self.reason = reason
        self.offset = offset
        self.frame = frame

    def of_frame(self, frame: int | None) -> FrameRefused:
        """The same, of a frame of a batch, or of one alone."""
        return type(self)(self.reason, self.offset, frame)

    def __reduce__(self) -> tuple[type[FrameRefused], tuple[str, int, int | None]]:
        return type(self), (self.reason, self.offset, self.frame)


class RecordRefused(ValueError):
    """Bytes that are not a quote or histogram of this version."""
