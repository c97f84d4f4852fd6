"""A small recording made by chance: two files of one symbol, the snapshot after some deltas."""

from __future__ import annotations

import gzip
import json
import random

FIRST_NS = 1_723_161_253_000_000_000
LINE_NS = 10_000_000


def _text(ticks):
    return f"{ticks / 100:.2f}"


class Walk:
    """A book of 20 levels a side whose middle wanders, and trades that take from it."""

    def __init__(self, seed, symbol="BTCUSDT"):
        self.random = random.Random(seed)
        self.symbol = symbol
        self.middle = 6_000_000
        self.books = {"b": {}, "a": {}}
        self.update_id = 100
        self.trade_id = 5_000
        self.fill_up()

    def fill_up(self):
        """Levels around the middle; returns what changed."""
        changes = {"b": {}, "a": {}}
        for side, sign in (("b", -1), ("a", 1)):
            book = self.books[side]
            for price in list(book):
                if (price - self.middle) * sign <= 0 or abs(price - self.middle) > 30:
                    del book[price]
                    changes[side][price] = 0
            for step in range(1, 21):
                price = self.middle + sign * step
                if price not in book or self.random.random() < 0.15:
                    book[price] = self.random.randrange(1, 400_000)
                    changes[side][price] = book[price]
        return changes

    def delta(self):
        self.middle += self.random.choice((-1, 0, 0, 0, 0, 1))
        return self.change(self.fill_up())

    def change(self, changes):
        first = self.update_id + 1
        self.update_id += self.random.randrange(1, 6)
        rows = {
            side: [[_text(price), f"{quantity / 1e5:.8f}"] for price, quantity in levels.items()]
            for side, levels in changes.items()
        }
        return self.event("depthUpdate", U=first, u=self.update_id, **rows)

    def trade(self):
        seller_takes = self.random.random() < 0.5
        book = self.books["b" if seller_takes else "a"]
        best = max(book) if seller_takes else min(book)
        price = best + self.random.choice((0, 0, 0, 0, 1, 2)) * (-1 if seller_takes else 1)
        quantity = int(self.random.paretovariate(0.8) * 20_000)
        self.trade_id += 1
        return self.event(
            "trade",
            t=self.trade_id,
            p=_text(price),
            q=f"{min(quantity, 900_000) / 1e5:.8f}",
            m=seller_takes,
        )

    def snapshot(self):
        return {
            "lastUpdateId": self.update_id,
            **{
                name: [
                    [_text(price), f"{size / 1e5:.8f}"] for price, size in self.books[side].items()
                ]
                for name, side in (("bids", "b"), ("asks", "a"))
            },
        }

    def event(self, kind, **fields):
        return {"stream": "x", "data": {"e": kind, "s": self.symbol, "E": 2, "T": 1, **fields}}


def write_recording(folder, seed=3, lines=3_000):
    """Two files; returns their paths."""
    walk = Walk(seed)
    frames = [walk.delta(), walk.trade(), walk.delta(), walk.snapshot()]
    while len(frames) < lines:
        chance = walk.random.random()
        frames.append(walk.trade() if chance < 0.4 else walk.delta())
        if chance > 0.999:
            frames.append(walk.snapshot())
    half = len(frames) // 2
    paths = [folder / "one.jsonl.gz", folder / "two.jsonl"]
    for path, first, part in ((paths[0], 0, frames[:half]), (paths[1], half, frames[half:])):
        text = "".join(
            f"{FIRST_NS + (first + at) * LINE_NS} {json.dumps(frame, separators=(',', ':'))}\n"
            for at, frame in enumerate(part)
        ).encode()
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return paths
