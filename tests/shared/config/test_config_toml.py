"""Whatever stands in a TOML file: tables, or one error of ours."""

from decimal import Decimal

import pytest

from shared.config.load import load_settings
from shared.config.toml import TomlError, parse_toml
from shared.errors import ConfigError
from shared.venues.credentials import load_credentials

NASTY = {
    "not TOML": "a = ",
    "5,000 digits": "a = " + "9" * 5000,
    "5,000 hexadecimal digits": "a = 0x" + "f" * 5000,
    "65 bits": "a = 9223372036854775808",
    "65 bits in a list in a table": "[b]\na = [1, [9223372036854775808]]",
    "an exponent no decimal holds": "a = 1e99999999999999999999",
    "5,000 brackets": "a = " + "[" * 5000,
    "a month that is none": "a = 2026-13-01",
}


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_whatever_is_wrong_is_one_error(text, tmp_path):
    with pytest.raises(TomlError):
        parse_toml(text, Decimal)
    path = tmp_path / "seawall.toml"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=r"seawall\.toml"):
        load_settings([path], [], {}, tmp_path)
    with pytest.raises(ConfigError, match="credentials: "):
        load_credentials(path, "local")


@pytest.mark.parametrize(
    "value", ["9" * 5000, "0x" + "f" * 5000, "[" * 5000, "nan", "1e" + "9" * 20]
)
def test_nasty_values_of_set_and_environment_are_one_error(value, tmp_path):
    with pytest.raises(ConfigError, match=r"--set: risk\.max_positions"):
        load_settings([], [f"risk.max_positions={value}"], {}, tmp_path)
    with pytest.raises(ConfigError, match="environment SEAWALL__RISK__POSITION_QUOTE"):
        load_settings([], [], {"SEAWALL__RISK__POSITION_QUOTE": value}, tmp_path)


def test_tables_are_as_the_library_reads_them():
    assert parse_toml("[b]\na = [1, 2.5, -9223372036854775808]", Decimal) == {
        "b": {"a": [1, Decimal("2.5"), -(2**63)]}
    }


@pytest.mark.parametrize("value", ["0," + "9" * 5000, "\u0660,\u0661", "0,-"])
def test_a_list_of_cores_is_of_ordinary_numbers(value, tmp_path):
    with pytest.raises(ConfigError, match=r"--set: process\.route\.cpus"):
        load_settings([], [f"process.route.cpus={value}"], {}, tmp_path)
