"""One operation: where it is found, what it weighs, which parameters it takes, who answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from procs.localvenue.matching.model import Refusal
from procs.localvenue.matching.refusals import missing
from procs.localvenue.protocols.binance_spot.params import Params, RefusedError

Weight = int | Callable[[Params], int]

SIGNED_NAMES: Final = frozenset({"timestamp", "recvWindow", "signature"})
"""What every signed request has or may have."""


class Route(msgspec.Struct, frozen=True):
    """One operation; signed ones are answered by `signed`, public ones by `public`."""

    method: str
    path: str
    weight: Weight
    public: Callable[[Params], Any] | None = None
    signed: Callable[[str, Params], Any] | None = None
    socket_name: str | None = None
    """Its name on the WebSocket API, if it is there."""
    needs: tuple[str, ...] = ()
    """Parameters without which nothing else is looked at, in the order of the documentation."""
    takes: frozenset[str] | None = None
    """Further parameters; None when any name is let pass."""
    free: bool = False
    """Whether it weighs nothing when it succeeds, as requests that place or cancel orders do."""
    orders: bool = False
    """Whether it places orders, so that its answer says how many are counted."""
    compressed: bool = False
    """Whether its answer is large and sent gzipped to those who take that."""

    @property
    def writes(self) -> bool:
        """Whether it may change orders."""
        return self.signed is not None and self.method != "GET"

    @property
    def operation(self) -> str:
        """Its name for fault plans: that of the WebSocket API, or else the path's end."""
        return self.socket_name or self.path

    def weight_of(self, params: Params) -> int:
        """The request weight, which may depend on the parameters."""
        return self.weight if isinstance(self.weight, int) else self.weight(params)

    def check_names(self, params: Params) -> None:
        """Raises RefusedError for a needed parameter that is missing (-1102), then for one that
        the operation does not know (-1104; -1101 when it takes none)."""
        sent = params.values
        for name in self.needs:
            if not sent.get(name):
                raise RefusedError(missing(name))
        if self.takes is None:
            return
        unread = 0
        for name in sent:
            if name in self.takes or name in self.needs:
                continue
            if self.signed is None or name not in SIGNED_NAMES:
                unread += 1
        if not unread:
            return
        if not self.takes and not self.needs and self.signed is None:
            text = f"Too many parameters; expected '0' and received '{len(sent)}'."
            raise RefusedError(Refusal(-1101, text))
        raise RefusedError(unread_names(len(sent) - unread, len(sent)))


def unread_names(read: int, sent: int) -> Refusal:
    """The refusal of parameters that an operation does not know."""
    text = f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'."
    return Refusal(-1104, text)
