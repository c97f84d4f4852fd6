"""`seawall fills`: the newest executions."""

from __future__ import annotations

import argparse
from typing import Any

from procs.cli._asking import answer_question, register_question
from procs.cli._table import Column, number, time_of

COLUMNS = (
    Column("time", "at_ns", time_of),
    Column("symbol", "symbol"),
    Column("side", "side"),
    Column("quantity", "quantity", number, right=True),
    Column("price", "price", number, right=True),
    Column("fee", "fee", number, right=True),
    Column("of", "fee_asset"),
    Column("order", "client_id"),
    Column("trade", "trade_id"),
)


def register(subparsers: Any) -> None:
    """Adds the verb."""
    register_question(subparsers, "fills", "list the newest 1000 fills")


def run(args: argparse.Namespace) -> int:
    """Prints fills. Raises NotRunningError."""
    return answer_question(args, "fills", COLUMNS)
