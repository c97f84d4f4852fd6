"""Merging: later sources win, every refusal names source, key, value and what is allowed."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config.load import KNOBS, Loaded, load_settings, value_of
from shared.config.schema import Settings
from shared.errors import ConfigError, ExitCode
from shared.messages.base import Reader, encode


def load(*sets, files=(), environ=None, userdir=Path("nowhere")):
    return load_settings(files, sets, environ or {}, userdir)


def refusal(*sets, **more):
    with pytest.raises(ConfigError) as caught:
        load(*sets, **more)
    assert caught.value.exit_code is ExitCode.CONFIG
    text = str(caught.value)
    assert "\n" not in text
    return text


def taken_or_refused(assignment):
    try:
        return load(assignment)
    except ConfigError as error:
        return str(error)


def toml(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def test_nothing_given_is_the_defaults():
    loaded = load()
    assert loaded.settings == Settings()
    assert set(loaded.sources) == set(KNOBS)
    assert set(loaded.sources.values()) == {"default"}


def test_later_sources_win_and_are_named(tmp_path):
    first = toml(
        tmp_path, "a.toml", "[risk]\nmax_positions = 1\ncooldown_s = 1\n[log]\nrotate_mb=7\n"
    )
    second = toml(tmp_path, "b.toml", "[risk]\nmax_positions = 2\nposition_quote = 12.50\n")
    environ = {"SEAWALL__RISK__MAX_POSITIONS": "3", "SEAWALL_HOME": "x", "OTHER": "y"}
    loaded = load("risk.max_positions=4", files=[first, second], environ=environ)
    assert loaded.settings.risk.max_positions == 4
    assert loaded.sources["risk.max_positions"] == "--set"
    assert loaded.settings.risk.position_quote == Decimal("12.5")
    assert loaded.sources["risk.position_quote"] == str(second)
    assert loaded.sources["risk.cooldown_s"] == str(first)
    assert load(files=[first, second], environ=environ).settings.risk.max_positions == 3
    assert load(files=[first, second]).settings.risk.max_positions == 2
    assert load(files=[second, first]).settings.risk.max_positions == 1


def test_every_section_can_be_written_as_a_table(tmp_path):
    path = toml(
        tmp_path,
        "c.toml",
        "[signal.drop]\ntrigger_pct = 1\n[process.route]\ncpus = [0]\nnice = -1\n"
        '[universe]\nsymbols = ["BTCUSDT"]\n',
    )
    settings = load(files=[path]).settings
    assert settings.signal.drop.trigger_pct == 1.0
    assert settings.process["route"].cpus == (0,)
    assert settings.process["route"].nice == -1
    assert settings.universe.symbols == ("BTCUSDT",)


@pytest.mark.parametrize(
    ("assignment", "key", "value"),
    [
        ("venue.name=local", "venue.name", "local"),
        ('venue.name="local"', "venue.name", "local"),
        ("universe.quote=123", "universe.quote", "123"),
        ("universe.symbols=BTCUSDT,ETHUSDT", "universe.symbols", ("BTCUSDT", "ETHUSDT")),
        ('universe.symbols=["BTCUSDT"]', "universe.symbols", ("BTCUSDT",)),
        ("process.route.cpus=0", "process.route.cpus", (0,)),
        ("process.route.cpus=[0]", "process.route.cpus", (0,)),
        ("venue.fee_pct=0.05", "venue.fee_pct", "0.05"),
        ("protection.take_profit_pct=1.25", "protection.take_profit_pct", Decimal("1.25")),
        ("signal.drop.trigger_pct=2", "signal.drop.trigger_pct", 2.0),
        ("guards.enabled=false", "guards.enabled", False),
        ("guards.min_quote_volume=1e3", "guards.min_quote_volume", 1000.0),
    ],
)
def test_text_becomes_a_value_of_the_keys_type(assignment, key, value):
    assert value_of(load(assignment).settings, key) == value
    name, _, text = assignment.partition("=")
    variable = "SEAWALL__" + name.upper().replace(".", "__")
    assert value_of(load(environ={variable: text}).settings, key) == value


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("risk.max_positions=0", ("--set", "risk.max_positions", "= 0", ">= 1", "default 10")),
        ("risk.max_positions=many", ("= many", "int")),
        ("risk.max_positions=true", ("= true", "int")),
        ("risk.cooldown_s=1.5", ("= 1.5", "int")),
        ("guards.enabled=1", ("= 1", "bool")),
        ("guards.max_spread_bps=inf", ("= inf", "plain decimal")),
        ("guards.max_spread_bps=nan", ("= nan", "plain decimal")),
        ("guards.max_spread_bps=0", ("= 0", "> 0")),
        ("protection.stop_loss_pct=true", ("number",)),
        ("engine.mode=dry", ("= dry", "paper", "testnet", "live")),
        ("process.route.cpus=a", ("int",)),
        ("venue.port=70000", ("= 70000", "<= 65535")),
        ("nonsense", ("KEY=VALUE",)),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(assignment, words):
    text = refusal(assignment)
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("risk.max_position", "risk.max_positions"),
        ("trigger_pct", "signal.drop.trigger_pct"),
        ("risk.trigger_pct", "signal.drop.trigger_pct"),
        ("protection.take_profit", "protection.take_profit_pct"),
        ("process.rout.cpus", "process.route.cpus"),
        ("gaurds.enabled", "guards.enabled"),
    ],
)
def test_an_unknown_key_names_the_nearest(key, meant):
    assert f"did you mean {meant}?" in refusal(f"{key}=1")


def test_an_unknown_key_without_a_neighbour_names_what_there_is(tmp_path):
    assert "sections are" in refusal("zzz.qqq=1")
    assert "[log] has log.level" in refusal("log.xyzzy=1")
    assert "is a section" in refusal("risk=1")
    path = toml(tmp_path, "d.toml", "[risks]\nmax_positions = 3\n")
    text = refusal(files=[path])
    assert str(path) in text
    assert "risks" in text


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    assert "none.toml" in refusal(files=[tmp_path / "none.toml"])
    assert "line 2" in refusal(files=[toml(tmp_path, "e.toml", "[risk]\nmax_positions =\n")])
    path = tmp_path / "f.toml"
    path.write_bytes(b'[venue]\nname = "\xff"\n')
    assert "UTF-8" in refusal(files=[path])


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        (["venue.name=binance"], ("paper", "binance")),
        (["engine.mode=live"], ("live", "local")),
        (["engine.mode=live", "venue.name=binance"], ("credentials",)),
        (["protection.stop_loss_pct=100"], ("below 100",)),
        (["protection.stop_loss_pct=-1"], ("stop_loss_pct = -1", "above 0")),
        (["protection.stop_loss_pct=0"], ("stop_loss_pct = 0", "above 0", "below 100", "a stop")),
        (["protection.take_profit_pct=-1"], ("0 up to",)),
        (
            ["protection.stop_loss_pct=60", "protection.stop_limit_offset_pct=40"],
            ("stop_limit_offset_pct", "100"),
        ),
        (["risk.position_quote=0"], ("position_quote", "above 0")),
        (["risk.position_quote=8001"], ("max_exposure_pct", "8000")),
        (["risk.position_pct=90"], ("max_exposure_pct",)),
        (["exit.rearm_s=700"], ("rearm_max_s",)),
        (["venue.fee_pct=abc"], ("venue.fee_pct", "abc")),
        (["process.route.cpus=4096"], ("cores 0 to",)),
    ],
)
def test_impossible_combinations_are_refused(sets, words):
    text = refusal(*sets)
    for word in (*words, "from --set"):
        assert word in text


def test_live_needs_private_credentials(tmp_path):
    live = ("engine.mode=live", "venue.name=binance")
    file = tmp_path / "credentials.toml"
    file.write_text("")
    file.chmod(0o640)
    assert "0600" in refusal(*live, userdir=tmp_path)
    file.chmod(0o600)
    assert load(*live, userdir=tmp_path).settings.engine.mode == "live"


@pytest.mark.parametrize("mode", ["paper", "testnet", "live"])
def test_a_position_without_a_stop_is_refused_in_every_mode_and_other_exits_may_be_off(
    tmp_path, mode
):
    file = tmp_path / "credentials.toml"
    file.touch(0o600)
    venue = "local" if mode == "paper" else "binance"
    where = (f"engine.mode={mode}", f"venue.name={venue}")
    text = refusal(*where, "protection.stop_loss_pct=0.00", userdir=tmp_path)
    assert "no position may be without a stop" in text
    off = ("protection.take_profit_pct=0", "protection.time_to_live_s=0")
    settings = load(*where, *off, userdir=tmp_path).settings
    assert (settings.protection.take_profit_pct, settings.protection.time_to_live_s) == (0, 0)


def test_the_hash_follows_the_values_and_nothing_else(tmp_path):
    plain = load().config_hash
    path = toml(tmp_path, "g.toml", "[risk]\nposition_quote = 50.0\n")
    assert load(files=[path]).config_hash == plain
    assert load("process.route.nice=0").config_hash == plain
    for other in ("risk.position_quote=51", "process.route.nice=1", "guards.enabled=false"):
        assert load(other).config_hash != plain


def test_settings_survive_a_launch_file():
    settings = load("risk.position_quote=12.50", "process.route.cpus=0").settings
    assert Reader(Settings).read(encode(settings)) == settings


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_assignment_is_taken_or_refused(key, value):
    outcome = taken_or_refused(f"{key}={value}")
    assert isinstance(outcome, Loaded) or outcome.startswith(("--set", key))


@given(st.sampled_from(sorted(KNOBS)), st.text(max_size=12))
def test_any_text_for_a_known_key_is_taken_or_refused_by_name(key, text):
    outcome = taken_or_refused(f"{key}={text}")
    if isinstance(outcome, Loaded):
        assert outcome.sources[key] == "--set"
    else:
        assert key in outcome
