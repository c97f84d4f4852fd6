"""Which faults a seed suffers and how often: drawn anew for each seed, so that every mix occurs."""

from __future__ import annotations

from functools import partial
from random import Random

import msgspec

from shared.errors import ConfigError


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """Probabilities per occasion, and lengths in milliseconds."""

    lost_request: float = 0.0
    """A write never reaches the venue; the answer is UNKNOWN."""
    lost_answer: float = 0.0
    """The venue did it; the answer is UNKNOWN."""
    slow_request: float = 0.0
    """The request arrives seconds late, some only after the client has given up."""
    cut_request: float = 0.0
    """The connection breaks with the request on its way: UNKNOWN at once, done seconds later."""
    throttled: float = 0.0
    """429, with a pause that the venue asks for."""
    banned: float = 0.0
    """418: the venue answers nothing else for a while."""
    refused: float = 0.0
    """The venue refuses an order for a reason of its own."""
    read_lag: float = 0.0
    """A query is answered with what was known up to a read lag ago; perhaps nothing."""
    lagging_orders: float = 0.0
    """A snapshot's orders and trades are up to a read lag old."""
    lagging_balances: float = 0.0
    rejected_stop: float = 0.0
    """The venue refuses a stop, with any meaning, now or for a while."""
    empty_answer: float = 0.0
    """Done, and the answer says nothing of it."""
    cancel_race: float = 0.0
    """An execution crosses the cancel."""
    part_filled: float = 0.0
    """A taker gets a part of what is there, perhaps nothing."""
    vanished_stop: float = 0.0
    """Per half second and resting stop: it is gone, told or untold, alone or with its pair."""
    foreign_order: float = 0.0
    """Per half second: somebody places an order that rests, or takes it back."""
    foreign_trade: float = 0.0
    """Per half second: somebody buys or sells by hand."""
    ids_forever: bool = False
    """The venue refuses every client order id that it has ever seen, as Bybit; not only those of
    open orders, as Binance."""
    lost_push: float = 0.0
    doubled_push: float = 0.0
    late_push: float = 0.0
    late_fill: float = 0.0
    """An execution is pushed up to half a minute late."""
    doubled_fill: float = 0.0
    """An execution is pushed again, up to half a minute later."""
    lost_say: float = 0.0
    late_say: float = 0.0
    crash: float = 0.0
    """Per turn with effects: the process dies between two of them."""
    crash_pair: float = 0.0
    """A second process dies with the first."""
    crash_supervise: float = 0.0
    """Per turn in which the supervisor does something: it dies, and all its children with it."""
    crash_saying: float = 0.0
    """Per turn in which the supervisor only tells: it dies between two of its words."""
    crash_ingest: float = 0.0
    crash_observe: float = 0.0
    failed_start: float = 0.0
    """A child ends while it starts up; three times within 10 s and route is started to rescue."""
    lost_frame: float = 0.0
    """Per frame of the public stream, where ingest reads one; so are the next three."""
    doubled_frame: float = 0.0
    late_frame: float = 0.0
    malformed_frame: float = 0.0
    cut_feed: float = 0.0
    """Per half second: the stream breaks and comes back."""
    silent_feed: float = 0.0
    """Per half second: the stream says nothing for a while, and nothing of that."""
    failed_snapshot: float = 0.0
    stale_snapshot: float = 0.0
    """The venue answers with a book of before."""
    lost_poll: float = 0.0
    """Protect's own question for a price is not answered."""
    disk_full: float = 0.0
    """Per write: the disk is full for a while."""
    disk_error: float = 0.0
    """Per write: some of a role's files give I/O errors for a while."""
    power_cut: float = 0.0
    """Per half second: everything dies, and rows that nobody waited for are gone."""
    lost_journal: float = 0.0
    """Per death: a part of the journal is gone, perhaps with the mark that would tell."""
    stopped: float = 0.0
    """Per half second: somebody stops the engine, with one, two or three signals."""
    doubled_say: float = 0.0
    cut_channel: float = 0.0
    """Per half second: nothing passes between two roles for a while; some of it comes late."""
    paused: float = 0.0
    """Per half second and process: SIGSTOP, and SIGCONT some time later."""
    paused_turn: float = 0.0
    """Per turn with effects: SIGSTOP between its commit and its last request."""
    suspended: float = 0.0
    """Per half second: the whole machine sleeps, the venue does not."""
    starved: float = 0.0
    """Per half second and process: its turns begin late for some seconds."""
    lost_quote: float = 0.0
    clock_jump: float = 0.0
    """Per half second: this machine's clock is set to something else."""
    wrong_clock: bool = False
    """It is wrong when the engine starts; a person sets it right later."""
    silent_protect: float = 0.0
    """Per half second: protect stands still for some seconds."""
    unlisted_trade: float = 0.0
    """An execution is counted in its order, but named in no list and no push for a while."""
    sold_by_hand: float = 0.0
    """Per half second: a person wants everything sold."""
    held_by_hand: float = 0.0
    """Per half second: a person halts the engine, or only its entries, for a while."""
    restored: bool = False
    """Everything dies, and the journals of some seconds before come back (L12)."""


NONE = Faults()


def _some(random: Random, most: float) -> float:
    """A fault is off in half of the seeds, so that none hides what another shows."""
    return random.random() * most if random.random() < 0.5 else 0.0


def swarm(random: Random) -> Faults:
    """Everything at once: nearly each fault is off in half of the seeds, a few in most."""

    some = partial(_some, random)
    return Faults(
        lost_request=some(0.25),
        lost_answer=some(0.25),
        slow_request=some(0.15),
        cut_request=some(0.15),
        throttled=some(0.05),
        banned=some(0.01),
        refused=some(0.10),
        read_lag=some(0.50),
        lagging_orders=some(0.50),
        lagging_balances=some(0.50),
        rejected_stop=some(0.20),
        empty_answer=some(0.10),
        cancel_race=some(0.50),
        part_filled=some(0.50),
        vanished_stop=some(0.03),
        ids_forever=random.random() < 0.5,
        foreign_order=some(0.10),
        foreign_trade=random.random() * 0.05 if random.random() < 0.05 else 0.0,
        lost_push=some(0.40),
        doubled_push=some(0.30),
        late_push=some(0.30),
        late_fill=some(0.20),
        doubled_fill=some(0.20),
        lost_say=some(0.15),
        late_say=some(0.05),
        crash=some(0.06),
        crash_pair=some(0.30),
        crash_supervise=some(0.15),
        crash_saying=some(0.003),
        crash_ingest=some(0.01),
        crash_observe=some(0.02),
        failed_start=some(0.20),
        lost_frame=some(0.02),
        doubled_frame=some(0.05),
        late_frame=some(0.02),
        malformed_frame=some(0.02),
        cut_feed=some(0.05),
        silent_feed=some(0.03),
        failed_snapshot=some(0.50),
        stale_snapshot=some(0.30),
        lost_poll=some(0.50),
        clock_jump=some(0.03),
        wrong_clock=random.random() < 0.1,
        disk_full=some(0.01),
        disk_error=some(0.01),
        power_cut=some(0.01),
        lost_journal=some(0.10),
        stopped=some(0.02),
        doubled_say=some(0.05),
        cut_channel=some(0.05),
        paused=some(0.01),
        paused_turn=some(0.02),
        suspended=some(0.02),
        starved=some(0.03),
        lost_quote=some(0.30),
        sold_by_hand=some(0.02),
        held_by_hand=some(0.02),
        unlisted_trade=some(0.40),
    )


def calm(random: Random) -> Faults:
    """No faults at all."""
    return NONE


def refusing(random: Random) -> Faults:
    """Everything arrives, and some of it is refused: what the engine makes of a plain no."""
    return Faults(refused=0.10)


def restored(random: Random) -> Faults:
    """A backup comes back while the venue has gone on; now and then something is lost besides.

    Nothing is on its way for long: who restores a backup does not do it within seconds."""
    few = 0.05 if random.random() < 0.5 else 0.0
    lag = 0.5 if random.random() < 0.5 else 0.0
    parts = 0.5 if random.random() < 0.5 else 0.0
    return Faults(
        restored=True,
        lost_push=few,
        late_push=few,
        lost_say=few,
        lost_answer=few,
        crash=few / 5,
        read_lag=lag,
        lagging_orders=lag,
        lagging_balances=lag,
        part_filled=parts,
        late_fill=parts / 2,
        cancel_race=parts,
        ids_forever=random.random() < 0.5,
    )


def disks(random: Random) -> Faults:
    """The swarm, but what is on disk is lost, cut short and refused in every seed, most in some."""
    return msgspec.structs.replace(
        swarm(random),
        crash=random.random() * 0.08,
        disk_full=random.random() * 0.03,
        disk_error=random.random() * 0.03,
        power_cut=random.random() * 0.03,
        lost_journal=random.random() * 0.5,
    )


def power(random: Random) -> Faults:
    """The swarm, but power fails and time goes wrong in every seed: what was not synced is gone,
    while processes, machine and clocks stand still or jump."""
    return msgspec.structs.replace(
        swarm(random),
        power_cut=random.random() * 0.05,
        paused=random.random() * 0.02,
        paused_turn=random.random() * 0.04,
        suspended=random.random() * 0.02,
        clock_jump=random.random() * 0.03,
    )


def venue(random: Random) -> Faults:
    """The machine is well but for a death now and then; venue and network do their worst."""

    some = partial(_some, random)
    return Faults(
        lost_request=some(0.15),
        lost_answer=some(0.15),
        slow_request=some(0.15),
        cut_request=some(0.15),
        throttled=some(0.05),
        banned=some(0.02),
        refused=some(0.05),
        read_lag=some(0.70),
        lagging_orders=some(0.70),
        lagging_balances=some(0.70),
        rejected_stop=some(0.30),
        empty_answer=some(0.10),
        cancel_race=some(0.70),
        part_filled=some(0.70),
        vanished_stop=some(0.05),
        foreign_order=some(0.10),
        foreign_trade=random.random() * 0.1 if random.random() < 0.1 else 0.0,
        lost_push=some(0.30),
        doubled_push=some(0.30),
        late_push=some(0.30),
        late_fill=some(0.40),
        doubled_fill=some(0.40),
        crash=some(0.02),
        crash_supervise=some(0.02),
        unlisted_trade=some(0.50),
        power_cut=some(0.02),
        ids_forever=random.random() < 0.5,
    )


def words(random: Random) -> Faults:
    """Venue and machine are well; what processes say to each other is lost, late and doubled."""
    return Faults(
        lost_say=random.random() * 0.2,
        late_say=random.random() * 0.3,
        doubled_say=random.random() * 0.5,
        cut_channel=random.random() * 0.05,
        sold_by_hand=random.random() * 0.05,
        crash=random.random() * 0.02,
    )


def alone(random: Random) -> Faults:
    """All is well but that protect stands still, now and then, for longer than the bounds."""
    return Faults(silent_protect=0.10)


def crashes(random: Random) -> Faults:
    """Nothing but deaths, at the points that a plan names (`crashes.py`)."""
    return Faults(crash=1.0, crash_supervise=1.0, crash_ingest=1.0, crash_observe=1.0)


PROFILES = {
    "swarm": swarm,
    "refusing": refusing,
    "restored": restored,
    "disks": disks,
    "power": power,
    "venue": venue,
    "words": words,
    "alone": alone,
    "crashes": crashes,
    "none": calm,
}


def draw(profile: str, random: Random) -> Faults:
    """The faults of one seed. Raises ConfigError for an unknown profile."""
    if profile not in PROFILES:
        raise ConfigError(f"fault profile {profile!r}, allowed: {', '.join(PROFILES)}")
    return PROFILES[profile](random)
