"""`seawall positions`: what is held, what it is worth, and what stands behind it."""

from __future__ import annotations

import argparse
from typing import Any

from procs.cli._asking import answer_question, register_question
from procs.cli._table import Column, money, number, percent, seconds, time_of

OPEN = (
    Column("id", "position_id"),
    Column("symbol", "symbol"),
    Column("age", "age_s", seconds, right=True),
    Column("quantity", "quantity", number, right=True),
    Column("entry", "entry_price", number, right=True),
    Column("mark", "mark", number, right=True),
    Column("pnl", "pnl_quote", money, right=True),
    Column("pnl %", "pnl_pct", percent, right=True),
    Column("stop", "stop_price", number, right=True),
    Column("target", "take_profit_price", number, right=True),
    Column("protection", "protection"),
    Column("bare", "unprotected_s", seconds, right=True),
    Column("exit", "exiting"),
)
CLOSED = (
    Column("id", "position_id"),
    Column("symbol", "symbol"),
    Column("opened", "opened_ns", time_of),
    Column("closed", "closed_ns", time_of),
    Column("spent", "spent", money, right=True),
    Column("received", "received", money, right=True),
    Column("pnl", "pnl_quote", money, right=True),
    Column("bare", "unprotected_s", seconds, right=True),
    Column("reason", "reason"),
)


def register(subparsers: Any) -> None:
    """Adds the verb."""
    parser = register_question(subparsers, "positions", "list open positions")
    parser.add_argument("--closed", action="store_true", help="the closed ones instead")


def run(args: argparse.Namespace) -> int:
    """Prints positions. Raises NotRunningError."""
    if args.closed:
        return answer_question(args, "closed", CLOSED)
    return answer_question(args, "positions", OPEN)
