"""Every kind of fault once: where it can strike, which numbers it takes, what it does.

The parser allows exactly what stands here, and the table of docs/faults.md is made from it.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

Group = Literal["request", "message", "matching", "clock", "reads"]

WHERE: Final[dict[str, str]] = {
    "operation": "name of the operation, such as order.place; * and ? stand for letters",
    "path": "path of the request, such as /api/v3/order; * and ? stand for letters",
    "writes": "true: requests that may change orders; false: the others",
    "symbol": "such as BTCUSDT; * and ? stand for letters",
    "channel": "market (public streams) or user (events of accounts)",
    "stream": "such as btcusdt@depth@100ms, or the event, such as executionReport; * and ? stand "
    "for letters",
}
WHEN: Final[dict[str, str]] = {
    "chance": "strikes each match with this probability, above 0 up to 1",
    "every": "strikes every N-th match",
    "nth": "strikes the N-th match, once",
    "count": "strikes at most so many times",
    "after_s": "seconds after the plan was installed before anything matches",
    "for_s": "seconds after that during which it matches",
}

GROUP_WHERE: Final[dict[Group, tuple[str, ...]]] = {
    "request": ("operation", "path", "writes", "symbol"),
    "message": ("channel", "stream", "symbol"),
    "matching": ("symbol",),
    "clock": (),
    "reads": ("operation", "path", "symbol"),
}
GROUP_WHEN: Final[dict[Group, tuple[str, ...]]] = {
    "request": tuple(WHEN),
    "message": tuple(WHEN),
    "matching": tuple(WHEN),
    "clock": ("after_s", "for_s"),
    "reads": tuple(WHEN),
}

DAY_MS: Final = 86_400_000


class Number(msgspec.Struct, frozen=True):
    """A whole or decimal number within bounds; with `spread` also [low, high], drawn each time."""

    low: float
    high: float
    unit: str
    whole: bool = True
    spread: bool = False

    def allowed(self) -> str:
        """What may be written, for people."""
        kind = "a whole number" if self.whole else "a number"
        text = f"{kind} of {self.unit} from {self.low:g} to {self.high:g}"
        return f"{text}, or [low, high]" if self.spread else text


class Choice(msgspec.Struct, frozen=True):
    """One of a few words."""

    words: tuple[str, ...]

    def allowed(self) -> str:
        """What may be written, for people."""
        return " or ".join(self.words)


class Switch(msgspec.Struct, frozen=True):
    """true or false."""

    def allowed(self) -> str:
        """What may be written, for people."""
        return "true or false"


Shape = Number | Choice | Switch


class Parameter(msgspec.Struct, frozen=True):
    """How much: one key of a fault, its default (None: it must be given) and its meaning."""

    shape: Shape
    default: Any
    sentence: str


class Kind(msgspec.Struct, frozen=True):
    """One kind of fault."""

    group: Group
    sentence: str
    parameters: dict[str, Parameter] = {}
    streams: str = "*"
    """Of message kinds: the only streams that it can strike, as a pattern."""
    channel: str = ""
    """Of message kinds that know one channel only."""


def _delay(default: Any, sentence: str = "how long it waits") -> Parameter:
    return Parameter(Number(0, 600_000, "milliseconds", spread=True), default, sentence)


def _hang(default: float) -> Parameter:
    shape = Number(0, 3_600, "seconds", whole=False)
    return Parameter(shape, default, "how long the client is left waiting before the cut")


def _accepted(default: bool) -> Parameter:
    return Parameter(Switch(), default, "whether the venue carries the request out")


def _retry(default: int) -> Parameter:
    return Parameter(Number(0, 259_200, "seconds"), default, "what Retry-After says")


KINDS: Final[dict[str, Kind]] = {
    "delay": Kind(
        "request",
        "The request is carried out late; with accepted = true its answer leaves late instead.",
        {"delay_ms": _delay(None), "accepted": _accepted(False)},
    ),
    "drop": Kind(
        "request",
        "The request is never carried out and its connection is cut.",
        {"hang_s": _hang(0)},
    ),
    "timeout_before": Kind(
        "request",
        "The request is not carried out and the client hears nothing until it gives up.",
        {"hang_s": _hang(60)},
    ),
    "timeout_after": Kind(
        "request",
        "The request is carried out, but the answer never comes.",
        {"hang_s": _hang(60)},
    ),
    "error_5xx": Kind(
        "request",
        "A server error is answered, whether the request was carried out or not.",
        {
            "status": Parameter(Number(500, 599, "HTTP status"), 503, "the HTTP status"),
            "accepted": _accepted(False),
        },
    ),
    "empty_200": Kind("request", "HTTP 200 without any content.", {"accepted": _accepted(True)}),
    "malformed_json": Kind(
        "request",
        "HTTP 200 with JSON that ends in the middle.",
        {"accepted": _accepted(True)},
    ),
    "rate_limited": Kind(
        "request",
        "HTTP 429 with code -1003 and Retry-After; the request is not carried out.",
        {"retry_after_s": _retry(5)},
    ),
    "banned": Kind(
        "request",
        "HTTP 418 with code -1003, for this and every other request until Retry-After is over.",
        {"retry_after_s": _retry(30)},
    ),
    "clock_skew": Kind(
        "clock",
        "The exchange's clock is wrong, by a constant or by more each second.",
        {
            "skew_ms": Parameter(
                Number(-DAY_MS, DAY_MS, "milliseconds"), None, "how far it is ahead (below 0: late)"
            ),
            "drift_ms_per_s": Parameter(
                Number(-1_000, 1_000, "milliseconds per second", whole=False),
                0,
                "how much more with each second",
            ),
        },
    ),
    "message_delay": Kind(
        "message",
        "Messages of a stream arrive late, in their order.",
        {"delay_ms": _delay(None)},
    ),
    "message_drop": Kind("message", "A message of a stream never arrives."),
    "duplicate": Kind(
        "message",
        "A message of a stream arrives twice.",
        {"delay_ms": _delay(0, "how much later the second one comes")},
    ),
    "reorder": Kind(
        "message",
        "A message of a stream arrives after those that followed it.",
        {"delay_ms": _delay((100, 400), "how long the others may overtake it")},
    ),
    "cut": Kind("message", "The connection is cut where a message would have been sent."),
    "gap": Kind(
        "message",
        "Depth deltas are missing: the next U is not the last u + 1.",
        {"messages": Parameter(Number(1, 1_000, "messages"), 1, "how many in a row are missing")},
        streams="*@depth*",
        channel="market",
    ),
    "ghost_level": Kind(
        "message",
        "Depth deltas say a level that is not in the book, or keep a deletion to themselves.",
        {
            "ghost": Parameter(
                Choice(("appear", "stay")),
                "appear",
                "appear: a level is made up; stay: a deletion is withheld",
            )
        },
        streams="*@depth*",
        channel="market",
    ),
    "stall": Kind(
        "message",
        "A stream falls silent while its connection and the pings live on.",
        {"silent_s": Parameter(Number(0, 86_400, "seconds", whole=False), 30, "for how long")},
    ),
    "malformed_frame": Kind(
        "message",
        "A message arrives broken.",
        {
            "broken": Parameter(
                Choice(("json", "utf8")),
                "json",
                "json: it ends in the middle; utf8: its text is none",
            )
        },
    ),
    "reject_stop": Kind(
        "matching",
        "A new stop order, or a list with one, is refused with -2010.",
    ),
    "vanish_stop": Kind(
        "matching",
        "A resting stop order disappears, and no event tells of it.",
        {"delay_ms": _delay(1_000, "how long after it came")},
    ),
    "partial_fill": Kind(
        "matching",
        "An order that takes gets only a share of what it could have.",
        {
            "share": Parameter(
                Number(0, 1, "the whole", whole=False, spread=True), None, "how large a share"
            )
        },
    ),
    "late_fill": Kind(
        "message",
        "User events of a fill arrive late, and what follows them waits, although REST knows.",
        {"delay_ms": _delay(None)},
        streams="executionReport",
        channel="user",
    ),
    "read_lag": Kind(
        "reads",
        "Answers about orders, trades and balances tell the state of some time ago.",
        {"lag_ms": Parameter(Number(1, 600_000, "milliseconds"), None, "of how long ago")},
    ),
}
"""In the order of the documentation."""


def table() -> str:
    """The kinds as the Markdown table of docs/faults.md."""
    rows = ["| kind | what happens | how much |", "|---|---|---|"]
    for name, kind in KINDS.items():
        numbers = "<br>".join(
            f"`{key}`: {one.sentence} ({one.shape.allowed()}; {_default(one)})"
            for key, one in kind.parameters.items()
        )
        rows.append(f"| `{name}` | {kind.sentence} | {numbers or '–'} |")
    return "\n".join(rows) + "\n"


def _default(parameter: Parameter) -> str:
    value = parameter.default
    if value is None:
        return "must be given"
    if isinstance(value, bool):
        return f"default {str(value).lower()}"
    if isinstance(value, tuple):
        return f"default [{value[0]:g}, {value[1]:g}]"
    return f"default {value}"
