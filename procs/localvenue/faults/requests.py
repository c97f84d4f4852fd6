"""Faults of requests: late, lost, answered by a broken exchange or by one that wants no more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from procs.localvenue.faults.log import FaultLog
from procs.localvenue.faults.trigger import Trigger
from procs.localvenue.interference import Answer, Asked

HTML: Final = b"<html><head><title>%d</title></head><body><h1>%d</h1></body></html>"
"""What a gateway in front of the exchange answers, which is no JSON."""

OVERLOADED: Final = (-1000, "Unknown error, please check your request or try again later.")
BACKEND: Final = (
    -1007,
    "Timeout waiting for response from backend server. Send status unknown; execution status "
    "unknown.",
)
TOO_MUCH: Final = (
    "Too much request weight used; please use WebSocket Streams for live updates to avoid polling "
    "the API."
)
BANNED: Final = (
    "Way too much request weight used; IP banned until {until_ms}. Please use WebSocket Streams "
    "for live updates to avoid bans."
)


class RequestFaults:
    """Carries requests out as the faults of a plan let them."""

    def __init__(self, log: FaultLog, now_ms: Callable[[], int]) -> None:
        self._log = log
        self._now_ms = now_ms
        self._bans: dict[int, int] = {}
        """Number of the fault to the end of its ban."""

    def forget(self, number: int) -> None:
        """The fault is healed."""
        self._bans.pop(number, None)

    async def around(
        self, triggers: Sequence[Trigger], asked: Asked, answer: Callable[[], Answer]
    ) -> Answer | None:
        """The answer, or None for a cut. Delays add up; of the others the first one counts."""
        now_ms = self._now_ms()
        until_ms = max(self._bans.values(), default=0)
        if now_ms < until_ms:
            return _banned(asked, now_ms, until_ms)
        before_ms = after_ms = 0
        fault: Trigger | None = None
        for one in triggers:
            if not one.strikes_now(now_ms):
                continue
            if one.kind != "delay":
                if fault is None:
                    fault = one
                    self._note(one, asked, **one.fault.values)
                continue
            delay_ms = one.drawn_ms()
            self._note(one, asked, delay_ms=delay_ms, accepted=one.value("accepted"))
            if one.value("accepted"):
                after_ms += delay_ms
            else:
                before_ms += delay_ms
        if before_ms:
            await asyncio.sleep(before_ms / 1_000)
        done = answer() if fault is None else await self._broken(fault, asked, answer)
        if after_ms:
            await asyncio.sleep(after_ms / 1_000)
        return done

    async def _broken(
        self, fault: Trigger, asked: Asked, answer: Callable[[], Answer]
    ) -> Answer | None:
        kind = fault.kind
        if kind in ("drop", "timeout_before", "timeout_after"):
            if kind == "timeout_after":
                answer()
            await asyncio.sleep(fault.value("hang_s"))
            return None
        now_ms = self._now_ms()
        if kind == "rate_limited":
            return _refused(asked, 429, (-1003, TOO_MUCH), now_ms, fault.value("retry_after_s"))
        if kind == "banned":
            until_ms = self._bans[fault.number] = now_ms + 1_000 * fault.value("retry_after_s")
            return _banned(asked, now_ms, until_ms)
        done = answer() if fault.value("accepted") else None
        headers = {} if done is None else done.headers
        if kind == "error_5xx":
            return _server_error(asked, fault.value("status"))
        if kind == "empty_200":
            return Answer(status=200, body=b"", headers=headers)
        body = b'{"symbol":"' if done is None else done.body
        return Answer(status=200, body=body[: max(1, len(body) // 2)], headers=headers)

    def _note(self, fault: Trigger, asked: Asked, **detail: Any) -> None:
        at = {"operation": asked.operation, "symbol": asked.symbol}
        self._log.write(self._now_ms(), fault.number, fault.kind, **at, detail=detail)


def _banned(asked: Asked, now_ms: int, until_ms: int) -> Answer:
    words = BANNED.format(until_ms=until_ms)
    return _refused(asked, 418, (-1003, words), now_ms, -(-(until_ms - now_ms) // 1_000))


def _refused(
    asked: Asked, status: int, words: tuple[int, str], now_ms: int, retry_after_s: int
) -> Answer:
    """The exchange's refusal as each of the two doors says it."""
    error: dict[str, Any] = {"code": words[0], "msg": words[1]}
    if asked.method == "WS":
        error["data"] = {"serverTime": now_ms, "retryAfter": now_ms + retry_after_s * 1_000}
        return _said(asked, status, error)
    answer = _said(asked, status, error)
    return Answer(status=status, body=answer.body, headers={"Retry-After": str(retry_after_s)})


def _server_error(asked: Asked, status: int) -> Answer:
    if asked.method != "WS" and status not in (503, 504):
        return Answer(status=status, body=HTML % (status, status))
    code, message = BACKEND if status == 504 else OVERLOADED
    return _said(asked, status, {"code": code, "msg": message})


def _said(asked: Asked, status: int, error: dict[str, Any]) -> Answer:
    if asked.method == "WS":
        content = {"id": asked.request_id, "status": status, "error": error}
        return Answer(status=status, body=orjson.dumps(content))
    return Answer(status=status, body=orjson.dumps(error))
