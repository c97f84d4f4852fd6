"""A route with keys that nobody could mistake: where they turn up when things go wrong (L13)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from other_user import needs_nobody, try_all
from venue_stub import Canned, refusal, stub_in_a_thread

from procs.cli.main import main
from procs.runtime.launch import Launch, write_launch
from shared.bus.locks import prepare_run_dir
from shared.config.schema import Settings
from shared.errors import ConfigError, ExitCode
from shared.venues.credentials import Credentials, load_credentials

KEY = "SEAWALLTESTKEY0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN"
SECRET = "seawallTESTSECRET9876543210zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQP"
ROOT = Path(__file__).resolve().parents[2]


def write_keys(folder: Path) -> Path:
    path = folder / "credentials.toml"
    path.write_text(f'[local]\napi_key = "{KEY}"\napi_secret = "{SECRET}"\n')
    path.chmod(0o600)
    return path


def start_route(folder: Path, credentials: Path, port: int) -> subprocess.Popen[str]:
    run_dir = folder / "run"
    prepare_run_dir(run_dir)
    path = write_launch(
        Launch(
            role="route",
            run_id="t1",
            incarnation=1,
            clock_offset_ns=0,
            userdir=str(folder),
            run_dir=str(run_dir),
            data_dir=str(folder / "data"),
            config_hash="h",
            settings=Settings(),
            supervisor_pid=os.getpid(),
            venue_rest=f"http://127.0.0.1:{port}",
            venue_ws=f"ws://127.0.0.1:{port}",
            credentials_path=str(credentials),
        )
    )
    with (folder / "said.txt").open("w") as said:
        return subprocess.Popen(
            [sys.executable, "-X", "dev", "-P", "-m", "procs.route", "--launch", str(path)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONASYNCIODEBUG": "1"},
            stdout=said,
            stderr=subprocess.STDOUT,
        )


def leaks(folder: Path, allowed: Path) -> list[str]:
    """Files below a folder in which a secret stands."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and path != allowed:
            content = path.read_bytes()
            found += [str(path) for one in (KEY, SECRET) if one.encode() in content]
    return found


ECHO = f"you sent {KEY} with {SECRET}, signature=0123456789abcdef"
TROUBLES = {
    "wrong keys": refusal(-2015, ECHO, 401),
    "server error": Canned(status=500, body=ECHO),
    "rubbish": Canned(body=ECHO),
    "other shape": Canned(body=json.dumps({"canTrade": ECHO, "balances": ECHO})),
    "cut": Canned(cut="middle"),
}


@pytest.mark.e2e
@pytest.mark.parametrize("name", TROUBLES)
def test_a_route_that_cannot_start_says_why_without_a_key(tmp_path, name):
    """Python's development mode and asyncio's debug output are on: they quote what they can."""
    credentials = write_keys(tmp_path)
    with stub_in_a_thread() as stub:
        stub.by_path["/api/v3/account"] = TROUBLES[name]
        process = start_route(tmp_path, credentials, stub.port)
        try:
            deadline = time.monotonic() + 60
            while sum(one.path.endswith("/account") for one in stub.asked) < 2:
                assert time.monotonic() < deadline, (tmp_path / "said.txt").read_text()
                assert process.poll() is None, (tmp_path / "said.txt").read_text()
                time.sleep(0.02)
            for what in ("cmdline", "environ"):
                content = Path(f"/proc/{process.pid}/{what}").read_bytes()
                assert not any(one.encode() in content for one in (KEY, SECRET)), what
            # All its stacks, as the supervisor asks for them before it kills a hung child.
            process.send_signal(10)
            time.sleep(0.2)
        finally:
            process.terminate()
            process.wait(10)
        assert any(one.headers.get("X-MBX-APIKEY") == KEY for one in stub.asked), "it had the key"
    assert "Thread" in (tmp_path / "said.txt").read_text(), "the stacks were written"
    assert leaks(tmp_path, credentials) == []
    logged = "".join(path.read_text() for path in (tmp_path / "logs").rglob("*.jsonl"))
    assert "venue_connect_failed" in logged


def test_another_user_cannot_read_credentials(tmp_path):
    needs_nobody()
    folder = Path(tempfile.mkdtemp(prefix="sw-"))
    try:
        folder.chmod(0o755)
        path = write_keys(folder)
        other = folder / "seawall.toml"
        other.write_text("")
        other.chmod(0o644)
        tried = try_all([str(path), str(other)], as_nobody=True)
        assert [one for one in tried if not one.error] == [(str(other), "read", 0)]
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("mode", [0o601, 0o610, 0o620, 0o640, 0o604, 0o644, 0o666, 0o700, 0o777])
def test_credentials_that_others_may_touch_are_refused(tmp_path, mode):
    path = write_keys(tmp_path)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=f"has mode {mode:04o}, allowed is 0600 or 0400"):
        load_credentials(path, "local")


def test_credentials_of_another_user_are_refused(tmp_path):
    needs_nobody()
    path = write_keys(tmp_path)
    os.chown(path, 65534, 65534)
    with pytest.raises(ConfigError, match="belongs to another user"):
        load_credentials(path, "local")


def test_no_text_of_credentials_shows_them(tmp_path):
    credentials = load_credentials(write_keys(tmp_path), "local")
    for text in (repr(credentials), str(credentials), f"{credentials}", f"{[credentials]}"):
        assert KEY not in text
        assert SECRET not in text
    error = ValueError(credentials)
    assert SECRET not in f"{error} {error!r}"
    assert credentials.scrub(f"a {KEY} b {SECRET} signature=abc&x") == "a … b … signature=…&x"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f'[venue]\napi_key = "{KEY}"\napi_secret = "{SECRET}"\n', "venue.api_key"),
        (f'api_secret = "{SECRET}"\n', "api_secret"),
        (f'[local]\napi_key = "{KEY}"\n', "local"),
    ],
)
def test_keys_in_the_wrong_file_are_refused_without_being_shown(tmp_path, capsys, text, place):
    (tmp_path / "seawall.toml").write_text(text)
    assert main(["config", "check", "--userdir", str(tmp_path)]) == ExitCode.CONFIG
    said = capsys.readouterr()
    assert place in said.err
    for secret in (KEY, SECRET):
        assert secret not in said.err + said.out


def test_a_key_in_the_environment_is_refused_without_being_shown(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SEAWALL__VENUE__API_SECRET", SECRET)
    assert main(["config", "show", "--userdir", str(tmp_path)]) == ExitCode.CONFIG
    said = capsys.readouterr()
    assert "SEAWALL__VENUE__API_SECRET" in said.err
    assert SECRET not in said.err + said.out


def test_a_launch_file_has_no_room_for_a_key():
    """It names the file with the keys; unknown fields are refused."""
    names = set(Launch.__struct_fields__)
    assert not {name for name in names if "secret" in name or "key" in name}
    assert Launch.__struct_config__.forbid_unknown_fields


HIDDEN = """
import ctypes, resource
from procs.runtime import guard
guard.hide_memory()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))
"""


def test_hidden_memory_is_neither_dumped_nor_looked_into():
    done = subprocess.run(
        [sys.executable, "-c", HIDDEN],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "0 (0, 0)\n"


def test_a_signature_is_never_shown():
    credentials = Credentials(api_key=KEY, api_secret=SECRET)
    for text in (
        "GET /api/v3/account?timestamp=1&signature=deadbeef00&recvWindow=5",
        '{"apiKey":"abcdef","signature":"deadbeef00"}',
        '{"signature" : "deadbeef00"}',
        "SIGNATURE=deadbeef00",
    ):
        assert "deadbeef00" not in credentials.scrub(text), text
