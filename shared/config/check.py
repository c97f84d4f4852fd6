"""What cannot be true together, or cannot be expressed as one value's bounds: start-up errors.

Each rule names the keys, their values with their sources, and what is allowed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

from shared.config.schema import Settings
from shared.errors import ConfigError, NumberError
from shared.units import HUNDRED, ZERO, decimal_from_text, pct_of, plain

CREDENTIALS_FILE = "credentials.toml"


def check_settings(settings: Settings, sources: Mapping[str, str], userdir: Path) -> None:
    """Refuses the first impossible combination. Raises ConfigError."""
    for keys, problem in _problems(settings, userdir):
        origins = ", ".join(f"{key} from {sources.get(key, 'default')}" for key in keys)
        raise ConfigError(f"{problem} ({origins})")


def _problems(settings: Settings, userdir: Path) -> Iterator[tuple[tuple[str, ...], str]]:
    yield from _amounts(settings)
    yield from _sizes(settings)
    yield from _exits(settings)
    yield from _modes(settings, userdir)
    yield from _cores(settings)


def _amounts(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    """Bounds of the exact numbers, which carry none in the schema."""
    protection = settings.protection
    bounded = (
        ("protection.take_profit_pct", protection.take_profit_pct, Decimal(1000)),
        ("protection.stop_limit_offset_pct", protection.stop_limit_offset_pct, HUNDRED),
        ("protection.emergency_stop_pct", protection.emergency_stop_pct, HUNDRED),
    )
    for key, value, end in bounded:
        if not ZERO <= value < end:
            yield (key,), f"{key} = {plain(value)}: allowed is 0 up to below {plain(end)}"
    stop = protection.stop_loss_pct
    if not ZERO < stop < HUNDRED:
        yield (
            ("protection.stop_loss_pct",),
            f"protection.stop_loss_pct = {plain(stop)}: allowed is above 0 and below 100, because "
            "no position may be without a stop (a take profit and a time to live may be off)",
        )
    fee = settings.venue.fee_pct
    try:
        allowed = ZERO <= decimal_from_text(fee) < HUNDRED
    except NumberError:
        allowed = False
    if not allowed:
        yield ("venue.fee_pct",), f'venue.fee_pct = "{fee}": allowed is "0" up to below "100"'


def _sizes(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    risk = settings.risk
    if risk.position_pct == 0 and risk.position_quote <= 0:
        yield (
            ("risk.position_quote", "risk.position_pct"),
            f"risk.position_quote = {plain(risk.position_quote)}: must be above 0 while "
            "risk.position_pct is 0",
        )
    if risk.position_pct > risk.max_exposure_pct:
        yield (
            ("risk.position_pct", "risk.max_exposure_pct"),
            f"risk.position_pct = {risk.position_pct}: one position would exceed "
            f"risk.max_exposure_pct = {risk.max_exposure_pct}, no entry could ever be approved",
        )
    room = pct_of(Decimal(settings.venue.start_quote), Decimal(str(risk.max_exposure_pct)))
    fixed = risk.position_pct == 0
    if settings.venue.name == "local" and fixed and risk.position_quote > room:
        yield (
            ("risk.position_quote", "risk.max_exposure_pct", "venue.start_quote"),
            f"risk.position_quote = {plain(risk.position_quote)}: one position would exceed "
            f"risk.max_exposure_pct = {risk.max_exposure_pct} of venue.start_quote = "
            f"{settings.venue.start_quote}, that is {plain(room)}",
        )


def _exits(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    protection, way_out = settings.protection, settings.exit
    if protection.stop_loss_pct + protection.stop_limit_offset_pct >= HUNDRED:
        yield (
            ("protection.stop_loss_pct", "protection.stop_limit_offset_pct"),
            f"protection.stop_loss_pct + stop_limit_offset_pct = "
            f"{plain(protection.stop_loss_pct + protection.stop_limit_offset_pct)}: the stop's "
            "limit price would not be above 0, allowed is below 100 together",
        )
    if way_out.rearm_s > way_out.rearm_max_s:
        yield (
            ("exit.rearm_s", "exit.rearm_max_s"),
            f"exit.rearm_s = {way_out.rearm_s}: must not be above "
            f"exit.rearm_max_s = {way_out.rearm_max_s}",
        )


def _modes(settings: Settings, userdir: Path) -> Iterator[tuple[tuple[str, ...], str]]:
    mode, venue = settings.engine.mode, settings.venue.name
    keys = ("engine.mode", "venue.name")
    if mode == "paper" and venue != "local":
        yield (
            keys,
            f'venue.name = "{venue}" with engine.mode = "paper": paper trades at the local venue '
            '(venue.name = "local"); for another venue set engine.mode to "testnet" or "live"',
        )
    if mode != "paper" and venue == "local":
        yield (
            keys,
            f'engine.mode = "{mode}" with venue.name = "local": name the exchange, such as '
            'venue.name = "binance"',
        )
    if mode != "paper":
        problem = credentials_problem(userdir / CREDENTIALS_FILE)
        if problem:
            yield ("engine.mode",), f'engine.mode = "{mode}": {problem}'


def credentials_problem(path: Path) -> str | None:
    """Why a credentials file cannot be used (L13), or None. Its content is not read here."""
    try:
        status = path.stat()
    except OSError as error:
        return f"the credentials file {path} is needed: {error.strerror}"
    if not stat.S_ISREG(status.st_mode):
        return f"{path} must be a regular file"
    others = stat.S_IMODE(status.st_mode) & 0o077
    if others:
        return (
            f"{path} has mode {stat.S_IMODE(status.st_mode):04o}, others may touch it; allowed is "
            "0600, run `chmod 600` on it"
        )
    return None


def _cores(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    count = os.cpu_count() or 1
    for name, process in settings.process.items():
        for cpu in process.cpus:
            if not 0 <= cpu < count:
                key = f"process.{name}.cpus"
                yield (
                    (key,),
                    f"{key} = {list(process.cpus)}: this machine has cores 0 to {count - 1}",
                )
