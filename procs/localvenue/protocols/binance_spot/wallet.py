"""The few wallet endpoints that ordinary clients ask while they load, answered plainly.

ccxt and python-binance read coins, margin pairs and futures symbols before their first order, and
refuse to start when these calls fail; a spot venue has little to say, so it says that.
"""

from __future__ import annotations

from typing import Any, Final

from procs.localvenue.matching.exchange import FEE_RATE
from procs.localvenue.matching.model import Balance, Refusal
from procs.localvenue.matching.refusals import INVALID_SYMBOL
from procs.localvenue.protocols.binance_spot.params import SYMBOL, Params, RefusedError
from procs.localvenue.protocols.binance_spot.render import eight
from procs.localvenue.shell import Venue
from shared.units import ZERO

GONE: Final = Refusal(-1016, "This service is no longer available.", 410)
"""listenKeys ended on 2026-02-20; user data comes by the WebSocket API since."""


class Wallet:
    """Answers about coins and permissions; nothing can be deposited or withdrawn here."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._exchange = venue.exchange

    def status(self, params: Params) -> Any:
        """GET system/status."""
        return {"status": 0, "msg": "normal"}

    def none(self, params: Params) -> Any:
        """GET margin/allPairs and margin/isolated/allPairs: there is no margin trading."""
        return []

    def no_futures(self, params: Params) -> Any:
        """GET exchangeInfo of futures: there are none."""
        return {
            "timezone": "UTC",
            "serverTime": self._venue.client_ms(),
            "rateLimits": [],
            "exchangeFilters": [],
            "assets": [],
            "symbols": [],
        }

    def gone(self, params: Params) -> Any:
        """userDataStream, which the exchange has taken away."""
        raise RefusedError(GONE)

    def coins(self, account: str, params: Params) -> Any:
        """GET capital/config/getall: every asset of the venue, tradable and no more."""
        held = self._exchange.balances(account)
        return [_coin(asset, held.get(asset)) for asset in self._assets()]

    def assets(self, account: str, params: Params) -> Any:
        """POST asset/getUserAsset: what the account has, of one asset or of all."""
        wanted = params.text("asset")
        return [
            {
                "asset": asset,
                "free": eight(one.free),
                "locked": eight(one.locked),
                "freeze": "0",
                "withdrawing": "0",
                "ipoable": "0",
                "btcValuation": "0",
            }
            for asset, one in self._venue.reads.balances(account).items()
            if wanted in (None, asset) and (one.free or one.locked)
        ]

    def trade_fees(self, account: str, params: Params) -> Any:
        """GET asset/tradeFee, of one symbol or of all."""
        symbol = params.text("symbol", SYMBOL)
        if symbol is not None and symbol not in self._exchange.instruments:
            raise RefusedError(INVALID_SYMBOL)
        rate = f"{FEE_RATE.normalize():f}"
        return [
            {"symbol": one, "makerCommission": rate, "takerCommission": rate}
            for one in self._exchange.instruments
            if symbol in (None, one)
        ]

    def account_status(self, account: str, params: Params) -> Any:
        """GET account/status."""
        return {"data": "Normal"}

    def trading_status(self, account: str, params: Params) -> Any:
        """GET account/apiTradingStatus: nothing is locked, no rule was broken."""
        return {
            "data": {
                "isLocked": False,
                "plannedRecoverTime": 0,
                "triggerCondition": {"GCR": 150, "IFER": 150, "UFR": 300},
                "updateTime": self._venue.now_ms(),
            }
        }

    def restrictions(self, account: str, params: Params) -> Any:
        """GET account/apiRestrictions: the key reads and trades spot, and cannot withdraw."""
        return {
            "ipRestrict": False,
            "createTime": self._venue.client_ms(),
            "enableReading": True,
            "enableSpotAndMarginTrading": True,
            "enableWithdrawals": False,
            "enableInternalTransfer": False,
            "permitsUniversalTransfer": False,
            "enableMargin": False,
            "enableFutures": False,
            "enableVanillaOptions": False,
            "enablePortfolioMarginTrading": False,
            "enableFixApiTrade": False,
            "enableFixReadOnly": False,
        }

    def _assets(self) -> list[str]:
        instruments = self._exchange.instruments.values()
        return sorted({asset for one in instruments for asset in (one.base, one.quote)})


def _coin(asset: str, held: Balance | None) -> dict[str, Any]:
    return {
        "coin": asset,
        "name": asset,
        "depositAllEnable": False,
        "withdrawAllEnable": False,
        "free": eight(held.free if held else ZERO),
        "locked": eight(held.locked if held else ZERO),
        "freeze": "0",
        "withdrawing": "0",
        "ipoing": "0",
        "ipoable": "0",
        "storage": "0",
        "isLegalMoney": False,
        "trading": True,
        "networkList": [
            {
                "network": asset,
                "coin": asset,
                "name": asset,
                "isDefault": True,
                "depositEnable": False,
                "withdrawEnable": False,
                "depositDesc": "",
                "withdrawDesc": "",
                "specialTips": "",
                "resetAddressStatus": False,
                "addressRegex": "",
                "memoRegex": "",
                "withdrawFee": "0",
                "withdrawMin": "0",
                "withdrawMax": "0",
                "withdrawIntegerMultiple": "0.00000001",
                "minConfirm": 1,
                "unLockConfirm": 1,
                "sameAddress": False,
                "estimatedArrivalTime": 1,
                "busy": False,
            }
        ],
    }
