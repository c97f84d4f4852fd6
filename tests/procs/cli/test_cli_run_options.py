"""What `seawall run` makes of its command line, without starting anything."""

import argparse

import pytest

from procs.cli.main import build_parser, main
from procs.cli.run import duration_s, plan_of
from shared.errors import ConfigError, NotFoundError, RecordingError, SeawallError


def plan(tmp_path, *arguments):
    parser, _ = build_parser(["run"])
    return plan_of(parser.parse_args(["run", "--userdir", str(tmp_path / "u"), *arguments]))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("0.5s", 0.5), ("5m", 300), ("1h", 3600), ("1h30m", 5400)],
)
def test_durations(text, seconds):
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-5s", "5 m", "1d", "m", "9999999h", "١s", "nan", "1e3"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="allowed"):
        duration_s(text)


def test_a_new_user_folder_is_made_and_said(tmp_path, capsys):
    made = plan(tmp_path)
    assert (tmp_path / "u" / "seawall.toml").exists()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "seawall.toml" in captured.err
    assert made.local_venue
    assert made.run_for_s is None
    plan(tmp_path)
    assert capsys.readouterr().err == ""


def test_options_of_the_verb_win_over_the_file(tmp_path):
    made = plan(
        tmp_path,
        *("--set", "venue.profile=fast", "--profile", "calm", "--seed", "7"),
        *("--for", "2m", "--set", "risk.max_positions=3"),
    )
    assert made.settings.venue.profile == "calm"
    assert made.settings.engine.seed == 7
    assert made.settings.risk.max_positions == 3
    assert made.run_for_s == 120


def test_a_recording_needs_the_local_venue_and_to_exist(tmp_path):
    recording = tmp_path / "r.jsonl"
    with pytest.raises(NotFoundError, match=r"r\.jsonl"):
        plan(tmp_path, "--replay", str(recording))
    recording.touch()
    with pytest.raises(RecordingError, match=r"r\.jsonl: empty"):
        plan(tmp_path, "--replay", str(recording))
    trade = '{"e":"trade","E":1,"s":"BTCUSDT","t":1,"p":"1","q":"1","T":1,"m":true,"M":true}'
    recording.write_text(f"1723161253000000000 {trade}\n")
    odd = tmp_path / "rules.json"
    odd.write_text("no rules")
    with pytest.raises(SeawallError, match=r"rules\.json"):
        plan(tmp_path, "--replay", str(recording), "--instruments", str(odd))
    assert plan(tmp_path, "--replay", str(recording), str(recording)).replay == (
        recording,
        recording,
    )
    with pytest.raises(ConfigError, match="local venue"):
        plan(tmp_path, "--replay", str(recording), "--venue", "binance")
    with pytest.raises(ConfigError, match="--replay"):
        plan(tmp_path, "--instruments", str(recording))


def test_a_configuration_error_is_exit_code_4_before_anything_starts(tmp_path, capsys):
    arguments = ["run", "--userdir", str(tmp_path / "u"), "--set", "risk.max_positions=many"]
    assert main(arguments) == 4
    assert "risk.max_positions" in capsys.readouterr().err
    assert not (tmp_path / "u" / "run" / "engine.json").exists()


def test_a_core_that_does_not_exist_is_refused_at_the_start(tmp_path, capsys):
    arguments = ["run", "--userdir", str(tmp_path / "u"), "--set", "process.route.cpus=[4711]"]
    assert main(arguments) == 4
    assert "4711" in capsys.readouterr().err
