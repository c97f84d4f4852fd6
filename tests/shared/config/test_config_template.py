"""`seawall init`: the template is the schema, in words, and loads as it stands."""

import stat
import tomllib
from decimal import Decimal

from shared.config.load import KNOBS, load_settings, value_of
from shared.config.template import DEMO, template, write_userdir


def test_the_written_file_loads_and_sets_the_demonstration(tmp_path):
    write_userdir(tmp_path)
    loaded = load_settings([tmp_path / "seawall.toml"], [], {}, tmp_path)
    changed = {key for key, source in loaded.sources.items() if source != "default"}
    assert changed == set(DEMO)
    for key, value in DEMO.items():
        assert value_of(loaded.settings, key) == value


def test_uncommenting_every_line_gives_the_defaults(tmp_path):
    lines = []
    for line in template().splitlines():
        bare = line.removeprefix("# ")
        is_key = bare != line and " = " in bare and bare.split(" = ")[0].isidentifier()
        lines.append(bare if is_key or bare.startswith("[process") else line)
    text = "\n".join(lines)
    path = tmp_path / "all.toml"
    path.write_text(text)
    loaded = load_settings([path], [], {}, tmp_path)
    for key, source in loaded.sources.items():
        if key.startswith("process.") and not key.startswith("process.route."):
            continue
        assert source == str(path), f"{key} is not in the template"
        assert value_of(loaded.settings, key) == DEMO.get(key, KNOBS[key].default)
    assert tomllib.loads(text, parse_float=Decimal)["risk"]["position_quote"] == 50


def test_every_knob_is_explained():
    for knob in KNOBS.values():
        assert knob.description, f"{knob.key} has no description"


def test_nothing_is_overwritten_and_the_sockets_folder_is_private(tmp_path):
    folder = tmp_path / "user"
    made = write_userdir(folder)
    assert {path.name for path in made} == {"data", "logs", "reports", "run", "seawall.toml"}
    assert stat.S_IMODE((folder / "run").stat().st_mode) == 0o700
    (folder / "seawall.toml").write_text("# mine\n")
    (folder / "run").chmod(0o755)
    assert write_userdir(folder) == []
    assert (folder / "seawall.toml").read_text() == "# mine\n"
    assert stat.S_IMODE((folder / "run").stat().st_mode) == 0o700
