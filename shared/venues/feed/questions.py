"""One public question to a venue: paced by the budget, its answer's bytes or one clear error."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from shared.venues.feed import http
from shared.venues.feed.budget import USED_WEIGHT, WeightBudget
from shared.venues.feed.port import RestError

DEFAULT_PAUSE_S: Final = 10.0
LONGEST_BAN_S: Final = 4 * 86_400
"""Binance bans for three days at most; a longer one is a misread number."""


class AnswerError(RestError):
    """An answer that is no success; `status` is HTTP's."""

    def __init__(self, text: str, status: int, body: str) -> None:
        super().__init__(text)
        self.status = status
        self.body = body


class Questions:
    """Where a venue is asked, and how fast."""

    def __init__(self, base_url: str, budget: WeightBudget, timeout_s: float) -> None:
        self._base_url = base_url.rstrip("/")
        self.budget = budget
        self._timeout_s = timeout_s

    async def get(self, path: str, query: dict[str, str], weight: int) -> bytes:
        """The body of a 200. Raises RestError for the network, AnswerError for other answers; a
        venue that says "too many" is left alone for as long as it asks."""
        await self.budget.take(weight)
        url = f"{self._base_url}/{path}"
        if query:
            url += f"?{urlencode(query)}"
        name = path.rpartition("/")[2]
        try:
            answer = await http.get(url, self._timeout_s)
        except OSError as error:
            raise RestError(f"{name}: {error or type(error).__name__}") from error
        self.budget.heard(answer.headers.get(USED_WEIGHT, ""))
        if answer.status == 200:
            return answer.body
        text = answer.body[:200].decode("utf-8", "replace")
        if answer.status in (418, 429):
            self.budget.pause(retry_after_s(answer.headers.get("retry-after", "")))
        raise AnswerError(f"{name}: HTTP {answer.status}: {text}", answer.status, text)


def retry_after_s(text: str) -> float:
    """Seconds of a Retry-After header; 10 when the venue does not say, or says what no ban is."""
    seconds = float(text) if text.isascii() and text.isdigit() else DEFAULT_PAUSE_S
    return seconds if seconds <= LONGEST_BAN_S else DEFAULT_PAUSE_S
