"""Lists that a venue hands out in pages: by time first, at most a day at once, then by id.

A time window longer than a day is refused by the exchange, and one without an end is cut to a day
silently; so a long gap is asked for day by day until a page is full, and from there by ids.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from shared.venues.binance_requests import ROWS_PER_PAGE, WireCall
from shared.venues.errors import unreadable
from shared.venues.wire import Answer

DAY_MS: Final = 24 * 3600 * 1000
PAGES_MAX: Final = 50
DAYS_MAX: Final = 30
"""Of a longer gap the rows are asked for by id, from the first one on."""

Window = tuple[int, int] | None
Call = Callable[[str, Window, int | None], WireCall]
"""(symbol, window in ms, first id) → request; one of the two is given."""


async def read_pages(
    ask: Callable[[WireCall], Awaitable[Answer]],
    call: Call,
    id_of: Callable[[Any], int],
    symbol: str,
    since_ms: int,
    now_ms: int,
) -> Answer:
    """All rows of a symbol since a time, in the content of one answer; the first failure ends it,
    and so do too many pages: half a list proves nothing."""
    rows: list[Any] = []
    window: Window = (since_ms, since_ms + DAY_MS)
    from_id: int | None = None
    if now_ms - since_ms > DAYS_MAX * DAY_MS:
        window, from_id = None, 0
    for _ in range(PAGES_MAX):
        page = await ask(call(symbol, window, from_id))
        if not page.is_ok:
            return page
        rows.extend(page.content)
        if len(page.content) >= ROWS_PER_PAGE:
            window, from_id = None, max(map(id_of, page.content)) + 1
        elif window is not None and window[1] < now_ms:
            # The one millisecond that two windows share would name its rows twice.
            window = (window[1] + 1, window[1] + DAY_MS)
        else:
            return msgspec.structs.replace(page, content=rows)
    too_many = unreadable(f"{symbol}: more than {PAGES_MAX} pages since {since_ms}")
    return msgspec.structs.replace(page, verdict=too_many)
