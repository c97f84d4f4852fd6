"""Runs mutants through a decoder and holds it to its contract: a value, or its typed refusal.

Never another exception, never a number that is not finite, never longer than a bound; what a
decoder feeds is the same after a refusal as before.
"""

import contextlib
import math
import random
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
from fuzz_mutators import Mutator

from shared.errors import SeawallError

BLOCK = 1000
"""Mutations of one generator: a finding names its block, which runs alone in a moment."""
SLOW_S = 2.0
"""Of CPU time: on a busy machine a reader may be kept waiting for longer."""
HANG_S = 30


class Hangs(BaseException):
    """A decoder did not come back; no reader of ours may catch this."""


@dataclass(kw_only=True)
class Target:
    """One decoder."""

    name: str
    samples: list[bytes]
    read: Callable[[bytes], Any]
    """Reads bytes; may check more and raise AssertionError."""
    refusals: tuple[type[BaseException], ...] = (SeawallError,)
    state: Callable[[], Any] | None = None
    """What must be equal before and after a refusal."""
    renew: Callable[[], None] | None = None
    """Puts the state back to a beginning, once in a while."""
    hostile: list[bytes] = field(default_factory=list)
    """Nasty samples of its own, beside the table."""


@dataclass
class Finding:
    """What a decoder did wrong, and the bytes that make it."""

    target: str
    seed: str
    block: int
    data: bytes
    what: str

    @property
    def kind(self) -> str:
        """What and where, without the values."""
        return self.what.partition(":")[0] + self.what.rpartition(" at ")[2]

    def shown(self) -> str:
        """With the command that repeats it."""
        return (
            f"FINDING in {self.target}: {self.what}\n"
            f"  {len(self.data)} bytes: {self.data[:160]!r}\n"
            f"  hex: {self.data[:4000].hex()}\n"
            f"  again: tests/fuzz/run.py --only {self.target} "
            + (f"--seed {self.seed} --block {self.block}" if self.block >= 0 else "--each 0")
        )


@dataclass
class Tally:
    """What one decoder was put through."""

    target: str
    mutations: int = 0
    accepted: int = 0
    refused: int = 0
    seconds: float = 0.0
    findings: list[Finding] = field(default_factory=list)
    again: int = 0
    """Findings that look like one before."""

    def note(self, finding: Finding) -> None:
        """Keeps one finding of a kind, the shortest."""
        for at, known in enumerate(self.findings):
            if known.kind == finding.kind:
                self.again += 1
                if len(finding.data) < len(known.data):
                    self.findings[at] = finding
                return
        self.findings.append(finding)


def assert_finite(value: Any) -> None:
    """Raises AssertionError for a NaN or an infinity anywhere in a value."""
    kind = type(value)
    if kind is float:
        assert math.isfinite(value), f"the number {value}"
    elif isinstance(value, Decimal):
        assert value.is_finite(), f"the number {value}"
    elif kind in (list, tuple) or isinstance(value, tuple | list):
        for one in value:
            assert_finite(one)
    elif kind is dict:
        for key, one in value.items():
            assert_finite(key)
            assert_finite(one)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            assert_finite(getattr(value, name))


def try_one(target: Target, data: bytes) -> tuple[bool, str]:
    """Whether the decoder took it, and what it did wrong; empty when nothing."""
    before = target.state() if target.state is not None else None
    began = time.thread_time()
    try:
        value = target.read(data)
        assert_finite(value)
    except target.refusals:
        if time.thread_time() - began > SLOW_S:
            return False, f"refused only after {time.thread_time() - began:.1f} s"
        if target.state is not None and target.state() != before:
            return False, "refused, but the state changed"
        return False, ""
    except Hangs:
        return False, f"no answer within {HANG_S} s"
    except Exception as error:  # noqa: BLE001 - whatever else comes out is what is looked for
        last = traceback.extract_tb(error.__traceback__)[-1]
        return False, f"{type(error).__name__}: {error} at {last.filename}:{last.lineno}"[:600]
    if time.thread_time() - began > SLOW_S:
        return True, f"took {time.thread_time() - began:.1f} s"
    return True, ""


@contextlib.contextmanager
def _watchdog() -> Iterator[None]:
    def bark(*_: Any) -> None:
        raise Hangs

    old = signal.signal(signal.SIGALRM, bark)
    signal.alarm(HANG_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


def run_block(target: Target, seed: str, block: int, count: int, tally: Tally) -> None:
    """Mutations of one block; adds to the tally."""
    chance = random.Random(f"{seed}:{target.name}:{block}")
    mutator = Mutator(chance, target.samples)
    if target.renew is not None:
        target.renew()
    began = time.perf_counter()
    for start in range(0, count, 100):
        with _watchdog():
            for _ in range(min(100, count - start)):
                data = mutator.mutant()
                taken, wrong = try_one(target, data)
                tally.mutations += 1
                tally.accepted += taken
                tally.refused += not taken
                if wrong:
                    tally.note(Finding(target.name, seed, block, data, wrong))
    tally.seconds += time.perf_counter() - began


def run_target(
    target: Target, seed: str, mutations: int, seconds: float = math.inf, findings_max: int = 5
) -> Tally:
    """Mutations until there are enough, the time is over, or enough was found."""
    tally = Tally(target.name)
    for data in target.hostile:
        with _watchdog():
            _, wrong = try_one(target, data)
        if wrong:
            tally.note(Finding(target.name, seed, -1, data, wrong))
    block = 0
    while tally.mutations < mutations and tally.seconds < seconds:
        run_block(target, seed, block, min(BLOCK, mutations - tally.mutations), tally)
        block += 1
        if len(tally.findings) >= findings_max:
            break
    return tally
