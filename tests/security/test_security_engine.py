"""A whole engine with a position: who can reach it, and where its keys can be found (L13)."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import tempfile
import tomllib
from pathlib import Path

import psutil
import pytest
from engine_process import HOLDS, Engine, sets
from other_user import needs_nobody, paths_below, try_all

pytestmark = pytest.mark.e2e

QUESTIONS = (
    ("status", "--json"),
    ("status",),
    ("positions", "--json"),
    ("orders", "--json"),
    ("fills", "--json"),
    ("balance", "--json"),
    ("config", "show"),
    ("logs", "--lines", "1000000"),
)


@pytest.fixture(scope="module")
def engine():
    """Holds one position; started by somebody whose umask hides nothing."""
    folder = Path(tempfile.mkdtemp(prefix="sw-"))
    folder.chmod(0o755)
    userdir = folder / "user"
    userdir.mkdir()
    userdir.chmod(0o755)
    before = os.umask(0)
    made = Engine(userdir)
    try:
        made.start("--profile", "fast", *sets(HOLDS))
        made.until_active()
        made.until_held()
        yield made
    finally:
        os.umask(before)
        made.clean_up()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def keys(engine):
    """The account's key and secret, as they stand in the one file that may hold them."""
    with (engine.run_dir / "venue-credentials.toml").open("rb") as file:
        table = tomllib.load(file)["local"]
    return {name: table[name] for name in ("api_key", "api_secret")}


def pids(engine) -> dict[str, int]:
    """Every process of the engine by its role."""
    rows = engine.status()["processes"]
    return {"supervise": engine.pid, **{role: row["pid"] for role, row in rows.items()}}


def in_memory(pid: int, needles: list[bytes]) -> list[bytes]:
    """Which of the needles stand in a process's writable memory."""
    found: set[bytes] = set()
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if match is None or line.rstrip().endswith(("[vvar]", "[vsyscall]")):
                continue
            begin, end = (int(text, 16) for text in match.groups())
            memory.seek(begin)
            data = memory.read(end - begin)
            found.update(needle for needle in needles if needle in data)
    return sorted(found)


def test_everything_is_this_users_alone_whatever_the_umask(engine):
    inner = ("run", "data", "logs", "reports")
    seen = 0
    for name in inner:
        for path in (engine.userdir / name, *(engine.userdir / name).rglob("*")):
            mode = path.lstat().st_mode
            if stat.S_ISSOCK(mode) or stat.S_ISLNK(mode):
                continue  # A socket's folder protects it, and a link has no rights of its own.
            assert not mode & 0o077, f"{path} has mode {mode:04o}"
            seen += 1
    assert seen > 20
    assert stat.S_IMODE(engine.run_dir.stat().st_mode) == 0o700
    for launch in engine.run_dir.glob("launch-*.json"):
        assert stat.S_IMODE(launch.stat().st_mode) == 0o600


def test_another_user_can_neither_connect_nor_read_nor_write(engine):
    needs_nobody()
    paths = [
        path for name in ("run", "data", "logs") for path in paths_below(engine.userdir / name)
    ]
    ours = try_all(paths, as_nobody=False)
    sockets = [one.path for one in ours if one.deed == "connect" and not one.error]
    assert {Path(path).stem for path in sockets} == {
        "account",
        "control",
        "query",
        "quotes",
        "steer",
    }
    for wanted in ("route.db", "launch-route.json", "venue-credentials.toml"):
        assert any(one.path.endswith(wanted) and one.deed == "read" for one in ours), wanted
    theirs = try_all(paths, as_nobody=True)
    assert {one.path for one in theirs} == set(paths)
    assert [one for one in theirs if not one.error] == []


def test_nothing_listens_but_paths_in_the_run_folder_and_the_local_venue(engine):
    """No abstract sockets (any user may connect to those), and no port of the engine itself."""
    with open("/proc/net/unix") as file:
        next(file)
        rows = [line.split() for line in file]
    names = {row[6]: row[7] if len(row) > 7 else "" for row in rows}
    listening = {row[6] for row in rows if int(row[3], 16) & 0x10000}
    bound: dict[str, str] = {}
    for role, pid in pids(engine).items():
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            try:
                match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(descriptor))
            except FileNotFoundError:
                continue
            if match is None or match[1] not in names:
                continue
            name = names[match[1]]
            assert not name.startswith("@"), f"{role} has the abstract socket {name}"
            if match[1] in listening:
                bound[name] = role
        for one in psutil.Process(pid).net_connections("inet"):
            if one.status == psutil.CONN_LISTEN:
                assert role == "localvenue", f"{role} listens on {one.laddr}"
                assert one.laddr.ip == "127.0.0.1"
    assert bound == {
        str(engine.run_dir / f"{name}.sock"): role
        for name, role in {
            "account": "route",
            "control": "supervise",
            "query": "observe",
            "quotes": "ingest",
            "steer": "supervise",
        }.items()
    }


def test_the_keys_are_in_their_file_and_nowhere_else(engine, keys):
    needles = [value.encode() for value in keys.values()]
    allowed = {"venue-credentials.toml", "venue.db", "venue.db-wal", "venue.db-shm"}
    looked = 0
    for path in engine.userdir.rglob("*"):
        if path.is_file() and path.name not in allowed:
            content = path.read_bytes()
            looked += 1
            for needle in needles:
                assert needle not in content, f"a key stands in {path}"
    assert looked > 15
    for role, pid in pids(engine).items():
        for what in ("cmdline", "environ"):
            content = Path(f"/proc/{pid}/{what}").read_bytes()
            assert content
            assert not any(needle in content for needle in needles), f"{what} of {role}"
    for verb, *arguments in QUESTIONS:
        done = engine.command(verb, *arguments)
        assert done.returncode == 0, done.stderr
        assert done.stdout
        for value in keys.values():
            assert value not in done.stdout + done.stderr, f"`{verb}` says a key"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into other processes")
def test_only_route_and_the_two_that_hand_out_demo_keys_know_them(engine, keys):
    """The venue makes the demo account and the supervisor writes its file; of a real venue's keys
    they know nothing."""
    needles = [keys["api_secret"].encode()]
    all_pids = pids(engine)
    assert in_memory(all_pids["route"], needles) == needles, "the search finds what is there"
    for role in ("ingest", "decide", "protect", "observe"):
        assert in_memory(all_pids[role], needles) == [], role


def test_route_leaves_no_core_dump(engine):
    limits = Path(f"/proc/{pids(engine)['route']}/limits").read_text()
    line = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert line.split()[4:6] == ["0", "0"]


def test_the_keys_leave_with_the_engine(engine, keys):
    """Last in this file: it stops the engine."""
    summary = engine.stop()
    assert summary["clean_shutdown"] is True
    assert not (engine.run_dir / "venue-credentials.toml").exists()
    said = json.dumps(summary) + engine.said()
    for value in keys.values():
        assert value not in said
