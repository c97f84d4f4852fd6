"""`seawall feed okx …`: the real process, the real ccxt.pro client, an OKX of ours."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests" / "shared" / "venues"))
from okx_server import Okx, book, market, trade  # noqa: E402

pytestmark = pytest.mark.e2e


def test_a_venue_behind_ccxt_is_shown_by_the_verb():
    async def look():
        server = Okx(market("BTC-USDT"))
        server.on_books = lambda name: [
            book(name, "snapshot", [["30000.1", "2"], ["30000", "1"]], [["30000.3", "3"]], 10),
            trade(name, 1, "30000.2"),
        ]
        async with server.running():
            command = [sys.executable, "-P", "-m", "procs", "feed", "okx", "BTC/USDT"]
            command += ["--rest", server.rest, "--ws", server.ws, "--json"]
            process = await asyncio.create_subprocess_exec(
                *command, "--seconds", "6", "--every", "0.5",
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
            out, err = await asyncio.wait_for(process.communicate(), 60)
        return process.returncode, [json.loads(line) for line in out.splitlines()], err.decode()

    code, rows, told = asyncio.run(look())
    assert code == 0, told
    assert "okx through ccxt; checked of its books: prevSeqId" in told
    last = rows[-1]
    assert (last["symbol"], last["bid"], last["ask"]) == ("BTC/USDT", "30000.1", "30000.3")
    assert last["last"] == "30000.2"
    assert last["ok"] is True
    assert last["gaps"] == last["malformed"] == 0
