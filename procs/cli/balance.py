"""`seawall balance`: what the venue says the account holds, beside our ledger."""

from __future__ import annotations

import argparse
from typing import Any

from procs.cli._asking import answer_question, register_question
from procs.cli._table import Column, number

COLUMNS = (
    Column("asset", "asset"),
    Column("free", "free", number, right=True),
    Column("locked", "locked", number, right=True),
    Column("total", "total", number, right=True),
    Column("ledger", "ledger", number, right=True),
    Column("dust", "dust", number, right=True),
)


def register(subparsers: Any) -> None:
    """Adds the verb."""
    register_question(subparsers, "balance", "show balances and the ledger")


def run(args: argparse.Namespace) -> int:
    """Prints balances. Raises NotRunningError."""
    return answer_question(args, "balance", COLUMNS)
