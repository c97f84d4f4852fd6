"""One HTTP exchange, admitted by the rate budget, timed and judged; nothing a venue does raises."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shared.clock import EngineClock
from shared.errors import MessageError
from shared.messages.base import Reader
from shared.messages.venue import Meaning, Outcome
from shared.units import NS_PER_MS, NS_PER_S
from shared.venues.binance_requests import WireCall
from shared.venues.budget import RateBudget
from shared.venues.credentials import Credentials
from shared.venues.errors import Heard, Verdict, judge, unreadable
from shared.venues.transport import Exchanged, LastCheck, Transport

GRACE_S: Final = 0.5
"""How much longer than the configured time-out a request may take in all."""

LONGEST_BAN_NS: Final = 4 * 86_400 * NS_PER_S
"""The venue bans for three days at most; a longer one is a misread number."""


PLAINLY_OK: Final = Verdict(outcome=Outcome.OK)

_SIGNS_OF_A_CODE: Final = ('"code"', '"retCode"', "\\")
"""Or a name that was written with escapes."""

STALE_TURN: Final = "stale_turn"
"""The code of a request that its last check held back."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A judged request: the verdict, the content when it is OK, and when it was sent."""

    verdict: Verdict
    content: Any = None
    sent_ns: int = 0
    """0 when nothing was sent."""
    retry_at_ns: int = 0
    round_trip_ns: int = 0

    @property
    def is_ok(self) -> bool:
        """Whether the content is there."""
        return self.verdict.outcome is Outcome.OK


class Wire:
    """Sends, within the rate budget, and judges what comes back."""

    def __init__(
        self,
        transport: Transport,
        credentials: Credentials,
        clock: EngineClock,
        timeout_ms: int,
    ) -> None:
        self._transport = transport
        self._credentials = credentials
        self._clock = clock
        self._deadline_s = timeout_ms / 1000 + GRACE_S
        self.budget = RateBudget()
        self.counts = dict.fromkeys((outcome.value for outcome in Outcome), 0)
        self.venue_ahead_ms = 0.0
        """The venue's clock minus ours, as last measured."""

    async def ask(
        self,
        call: WireCall,
        reader: Reader,
        exit_priority: bool = False,
        *,
        last_check: LastCheck | None = None,
        deadline_s: float = 0.0,
    ) -> Answer:
        """Performs a call; an OK answer carries what reader found in the body.

        `last_check` is asked directly before the bytes are written (L7); `deadline_s` is for a
        call that may take longer than others."""
        now_ns = self._clock.now_ns()
        silence = self.budget.admit(call.weight, call.orders, exit_priority, now_ns)
        if silence is not None:
            verdict = Verdict(
                outcome=Outcome.THROTTLED,
                meaning=silence.meaning,
                text=f"not sent: {silence.text}",
            )
            return self._counted(Answer(verdict=verdict, retry_at_ns=silence.until_ns))
        sent_ns = now_ns

        def leaving() -> str:
            # A fence counts from the write, and a connection may have to be opened before it (L2).
            nonlocal sent_ns
            sent_ns = self._clock.now_ns()
            return "" if last_check is None else last_check()

        record, fault = await self._transport.exchange(
            call, deadline_s or self._deadline_s, leaving
        )
        ended_ns = self._clock.now_ns()
        self.budget.heard(record.headers, sent_ns, ended_ns)
        content = _plain_content(record, reader)
        if content is not None:
            return self._counted(
                Answer(
                    verdict=PLAINLY_OK,
                    content=content,
                    sent_ns=sent_ns,
                    round_trip_ns=ended_ns - now_ns,
                )
            )
        verdict, content = _judged(record, fault, reader)
        return self._counted(
            Answer(
                verdict=msgspec.structs.replace(
                    verdict, text=self._credentials.scrub(verdict.text)
                ),
                content=content,
                sent_ns=sent_ns if record.sent else 0,
                retry_at_ns=self._throttled_until_ns(verdict, ended_ns),
                round_trip_ns=ended_ns - now_ns,
            )
        )

    def set_clock(self, venue_ahead_ms: float) -> None:
        """The venue's clock minus ours, as just measured."""
        self.venue_ahead_ms = venue_ahead_ms
        self._transport.set_clock(venue_ahead_ms)

    def _throttled_until_ns(self, verdict: Verdict, now_ns: int) -> int:
        """Tells the budget of a rate refusal; 0 when the request was not throttled."""
        if verdict.outcome is not Outcome.THROTTLED:
            return 0
        until_ns = now_ns + int(verdict.retry_after_s * NS_PER_S)
        if verdict.banned_until_ms:
            told_ns = int((verdict.banned_until_ms - self.venue_ahead_ms) * NS_PER_MS)
            if told_ns < now_ns + LONGEST_BAN_NS:
                until_ns = max(until_ns, told_ns)
        if verdict.meaning in (Meaning.RATE, Meaning.BANNED):
            self.budget.refused(verdict.meaning, until_ns)
        return until_ns

    def _counted(self, answer: Answer) -> Answer:
        self.counts[answer.verdict.outcome.value] += 1
        return answer


def _plain_content(record: Exchanged, reader: Reader) -> Any:
    """What was promised, where a 200 holds that and nothing that might be a code; None otherwise,
    then the table judges. It would say the same here, in ten times the time."""
    body = record.body
    if record.status != 200 or any(sign in body for sign in _SIGNS_OF_A_CODE):
        return None
    try:
        return reader.read(body)
    except MessageError:
        return None


def _judged(record: Exchanged, fault: str, reader: Reader) -> tuple[Verdict, Any]:
    """The verdict by the table, and the content when it is OK."""
    verdict = judge(
        "binance",
        Heard(
            sent=record.sent,
            status=record.status,
            body=record.body,
            retry_after_s=_seconds(record.headers.get("retry-after", "")),
            fault=fault,
        ),
    )
    if record.held_back:
        return msgspec.structs.replace(verdict, code=STALE_TURN), None
    if verdict.outcome is not Outcome.OK:
        return verdict, None
    try:
        return verdict, reader.read(record.body)
    except MessageError as error:
        return unreadable(str(error)), None


def _seconds(text: str) -> float:
    """Retry-After in seconds, at most four days; 0 for anything else."""
    return min(float(text), LONGEST_BAN_NS / NS_PER_S) if text.isascii() and text.isdigit() else 0.0
