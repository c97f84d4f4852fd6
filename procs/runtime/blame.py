"""Whose fault is an error that only the event loop saw? A library's stray future ends nothing.

The loop reports what nobody handled: a callback that raised, a future whose exception nobody asked
for. Our own code failing must end the process, which is then started again from its journal. A
socket of ccxt or aiohttp that dies leaves such remains too, and they say nothing about our state:
whatever waits for that socket has its own time limit.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import CodeType, TracebackType
from typing import Any

_ROOT = Path(__file__).parents[2]
_OURS = tuple(f"{_ROOT / package}/" for package in ("procs", "shared"))


def is_ours(context: dict[str, Any]) -> bool:
    """Whether code of ours failed in what `loop.call_exception_handler` was given.

    A task is ours when its coroutine is. Any other future's exception was only stored by somebody,
    whoever raised it. All else is a callback: ours when any frame of the failure is."""
    stray = context.get("task") or context.get("future")
    if isinstance(stray, asyncio.Task):
        return _is_our_code(getattr(stray.get_coro(), "cr_code", None))
    if stray is not None:
        return False
    error = context.get("exception")
    if error is None:
        # Somebody told the loop of a failure in words only: nothing excuses it.
        return True
    return any(_is_our_code(code) for code in _codes(error.__traceback__))


def _codes(frames: TracebackType | None) -> list[CodeType]:
    codes = []
    while frames is not None:
        codes.append(frames.tb_frame.f_code)
        frames = frames.tb_next
    return codes


def _is_our_code(code: CodeType | None) -> bool:
    return code is not None and code.co_filename.startswith(_OURS)
