"""Evidence: what is run, what goes on where it stopped, what is kept, and what is refused."""

import json
import shutil
import subprocess
import sys

import bench_reports as reports
import pytest

from bench import evidence, publish
from bench.proofs import PROOFS
from shared.errors import ConfigError, SeawallError

PAGES = ("README", "PERFORMANCE", "PROMISES", "CHAOS")


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Results, reports and pages in a folder of their own; nothing is played."""
    for name in PAGES:
        page = tmp_path / getattr(publish, name).name
        shutil.copy(getattr(publish, name), page)
        monkeypatch.setattr(publish, name, page)
    monkeypatch.setattr(publish, "EVIDENCE", tmp_path / "evidence.json")
    publish.EVIDENCE.write_text("{}")
    monkeypatch.setattr(evidence, "REPORTS", tmp_path / ".evidence")
    monkeypatch.setattr(evidence, "commit_here", lambda: "abc1234")
    monkeypatch.setattr(evidence, "commit_named", lambda text: text[:7])
    return tmp_path


class Player:
    """In place of a process: hears commands, and answers with reports."""

    def __init__(self, monkeypatch):
        self.heard = []
        self.breaks_at = None
        self.code = 0
        monkeypatch.setattr(evidence.subprocess, "run", self.run)

    def run(self, argv, **more):
        assert argv[0] == sys.executable
        assert more["cwd"] == publish.ROOT
        assert more["env"]["PYTHONPATH"] == str(publish.ROOT)
        command = " ".join(argv[1:])
        self.heard.append(command)
        if len(self.heard) == self.breaks_at:
            raise KeyboardInterrupt
        return subprocess.CompletedProcess(argv, self.code, stdout=self.answer(command))

    def answer(self, command):
        if "simulate --seeds" in command:
            first, _, stop = command.split()[4].partition(":")
            return reports.text_of(reports.simulated(seeds=int(stop) - int(first)))
        (name,) = (one for one, proof in PROOFS.items() if command_of(proof.command) in command)
        return reports.text_of(reports.GOOD[name])


def command_of(typed):
    return typed.replace("seawall", "-m procs").removeprefix("python ")


@pytest.fixture
def player(monkeypatch):
    return Player(monkeypatch)


def typed(monkeypatch, *words):
    """The command line's exit code."""
    monkeypatch.setattr("sys.argv", ["evidence", *words])
    return evidence.main()


def write(path, report):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(reports.text_of(report))
    return path


# ── running ─────────────────────────────────────────────────────────────────────────────────────


def test_every_proof_is_run_and_stands_on_the_page(house, player, monkeypatch, capsys):
    assert typed(monkeypatch, "run") == 0
    assert len(player.heard) == 25 + len(PROOFS) - 1
    kept = publish.evidence()
    assert list(kept) == list(PROOFS)
    assert {name: one["command"] for name, one in kept.items()} == {
        name: proof.command for name, proof in PROOFS.items()
    }
    page = publish.PROMISES.read_text("utf-8")
    assert "not shown yet" not in page
    assert "| 50,000 seeds, 0 violations in " in page
    assert "| kill to READY, a child, nothing else wrong | 290 |" in publish.CHAOS.read_text(
        "utf-8"
    )
    assert "yes at least 300 real kills" in capsys.readouterr().out
    assert (house / ".evidence" / "kills" / "abc1234.json").exists()


def test_an_interrupted_campaign_goes_on_where_it_stopped(house, player, monkeypatch, capsys):
    player.breaks_at = 3
    assert typed(monkeypatch, "run", "seeds", "--seeds", "0:9000") == 130
    assert "interrupted" in capsys.readouterr().err
    assert publish.evidence() == {}
    player.breaks_at = None
    player.heard.clear()
    typed(monkeypatch, "run", "seeds", "--seeds", "0:9000", "--workers", "1")
    assert player.heard == [
        "-m procs simulate --seeds 4000:6000 --json --workers 1",
        "-m procs simulate --seeds 6000:8000 --json --workers 1",
        "-m procs simulate --seeds 8000:9000 --json --workers 1",
    ]
    kept = publish.evidence()["seeds"]
    assert kept["commit"] == "abc1234"
    assert kept["command"] == "seawall simulate --seeds 0:9000"
    assert kept["figures"]["seeds"] == 9_000
    assert kept["figures"]["events"] == 5 * 100_000_000


def test_another_commit_begins_afresh(house, player, monkeypatch):
    typed(monkeypatch, "run", "seeds", "--seeds", "0:3000")
    player.heard.clear()
    typed(monkeypatch, "run", "seeds", "--seeds", "0:3000")
    assert player.heard == []
    monkeypatch.setattr(evidence, "commit_here", lambda: "def5678")
    typed(monkeypatch, "run", "seeds", "--seeds", "0:3000")
    assert len(player.heard) == 2
    assert publish.evidence()["seeds"]["commit"] == "def5678"


def test_what_was_missed_is_kept_and_said(house, player, monkeypatch, capsys):
    player.code = 1
    player.answer = lambda command: reports.text_of(reports.torn(findings=["FINDING"]))
    assert typed(monkeypatch, "run", "torn") == 1
    assert "NO  at least 20,000 damaged journals" in capsys.readouterr().out
    assert "1 wrong | **no** |" in publish.PROMISES.read_text("utf-8")


def test_one_proof_leaves_the_others_as_they_were(house, player, monkeypatch):
    typed(monkeypatch, "run", "planted", "kills")
    before = publish.evidence()
    typed(monkeypatch, "run", "flat")
    after = publish.evidence()
    assert list(after) == ["kills", "flat", "planted"]
    assert {name: after[name] for name in before} == before


def test_a_command_that_fails_is_told_and_keeps_nothing(house, player, monkeypatch, capsys):
    player.code = 3
    assert typed(monkeypatch, "run", "torn") == 1
    said = capsys.readouterr().err
    assert "python tests/torn/run.py --states 20000: exit code 3, allowed: 0 or 1" in said
    assert publish.evidence() == {}


def test_a_commit_that_moves_meanwhile_is_refused(house, player, monkeypatch, capsys):
    commits = iter(["abc1234", "abc1234", "def5678"])
    monkeypatch.setattr(evidence, "commit_here", lambda: next(commits))
    assert typed(monkeypatch, "run", "seeds", "--seeds", "0:5000") != 0
    said = capsys.readouterr().err
    assert "from commit abc1234 to def5678 meanwhile" in said
    assert [path.name for path in (house / ".evidence" / "seeds" / "abc1234").iterdir()] == [
        "0-1999.json"
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "torn", "tea"), "no proof tea, allowed: seeds, "),
        (("run", "seeds", "--seeds", "9"), "--seeds '9', allowed: A:B"),
        (("record", "tea", "x.json", "--commit", "abc1234"), "no proof tea, allowed: seeds, "),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_run(
    house, player, monkeypatch, capsys, words, said
):
    assert typed(monkeypatch, *words) != 0
    assert said in capsys.readouterr().err
    assert player.heard == []


# ── recording ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", [name for name in PROOFS if name != "seeds"])
def test_a_report_that_was_made_elsewhere_is_kept_like_one_that_was_run(
    house, player, monkeypatch, name
):
    typed(monkeypatch, "run", name)
    ran = publish.evidence()
    publish.EVIDENCE.write_text("{}")
    path = write(house / "made.json", reports.GOOD[name])
    assert typed(monkeypatch, "record", name, str(path), "--commit", "abc1234") == 0
    assert publish.evidence() == ran


def test_parts_of_seeds_are_joined(house, monkeypatch):
    one = write(house / "0.json", reports.simulated(seeds=30_000))
    other = write(house / "30000-49999.json", reports.simulated(seeds=20_000))
    assert typed(monkeypatch, "record", "seeds", str(other), str(one), "--commit", "abc1234") == 0
    kept = publish.evidence()["seeds"]
    assert kept["command"] == "seawall simulate --seeds 0:50000"
    assert kept["figures"]["events"] == 200_000_000


def test_a_file_whose_name_says_nothing_needs_its_seeds(house, monkeypatch, capsys):
    path = write(house / "made.json", reports.simulated(seeds=40))
    assert typed(monkeypatch, "record", "seeds", str(path), "--commit", "abc1234") != 0
    assert "a name that tells no seeds" in capsys.readouterr().err
    words = ("record", "seeds", str(path), "--commit", "abc1234", "--seeds")
    assert typed(monkeypatch, *words, "0:41") != 0
    assert "40 seeds, allowed: --seeds A:B that fits (0:41)" in capsys.readouterr().err
    assert typed(monkeypatch, *words, "60:100") == 1
    assert publish.evidence()["seeds"]["command"] == "seawall simulate --seeds 60:100"


def test_fewer_seeds_than_the_command_s_need_their_range(house):
    path = write(house / "made.json", reports.simulated(mode="liveness", seeds=250))
    with pytest.raises(ConfigError, match=r"made\.json: 250 seeds, allowed: .* \(0:1000\)"):
        evidence.record("liveness", [path], "abc1234", None)
    evidence.record("liveness", [path], "abc1234", "0:250")
    kept = publish.evidence()["liveness"]
    assert kept["command"] == "seawall simulate --mode liveness --seeds 0:250"


def test_two_files_are_for_seeds_alone_and_seeds_for_what_has_some(house):
    path = write(house / "made.json", reports.killed())
    with pytest.raises(ConfigError, match="2 files for kills, allowed: one"):
        evidence.record("kills", [path, path], "abc1234", None)
    with pytest.raises(ConfigError, match="--seeds 0:9, allowed: for proofs that have seeds"):
        evidence.record("kills", [path], "abc1234", "0:9")


def test_a_report_of_another_proof_is_refused_by_its_file(house):
    path = write(house / "made.json", reports.flooded())
    with pytest.raises(ConfigError, match=r"made\.json: no report of this proof"):
        evidence.record("kills", [path], "abc1234", None)
    with pytest.raises(ConfigError, match=r"none\.json: cannot be read"):
        evidence.record("kills", [house / "none.json"], "abc1234", None)
    assert publish.evidence() == {}


# ── commits ─────────────────────────────────────────────────────────────────────────────────────


def git(folder, *words):
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with two commits; the second one is on no branch of the first."""
    git(tmp_path, "init", "-q")
    for folder in ("shared", "docs"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text("first")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    monkeypatch.setattr(publish, "ROOT", tmp_path)
    return tmp_path


def test_the_commit_is_head_s_while_only_pages_differ(checkout):
    (checkout / "docs" / "a.txt").write_text("changed")
    (checkout / "shared" / "new.txt").write_text("nobody imports it")
    assert evidence.commit_here() == git(checkout, "rev-parse", "--short", "HEAD")


def test_files_that_differ_from_the_commit_are_named(checkout):
    (checkout / "shared" / "a.txt").write_text("changed")
    with pytest.raises(ConfigError, match=r"^shared/a\.txt differs from commit \w+, allowed: no"):
        evidence.commit_here()


def test_only_a_commit_of_this_history_can_be_named(checkout):
    first = git(checkout, "rev-parse", "HEAD")
    git(checkout, "checkout", "-q", "-b", "other")
    git(checkout, "commit", "-q", "--allow-empty", "-m", "elsewhere")
    elsewhere = git(checkout, "rev-parse", "HEAD")
    git(checkout, "checkout", "-q", "-")
    assert evidence.commit_named(first) == first[:7]
    for wrong in (elsewhere, "0000000", "no-such", "", "--help"):
        with pytest.raises(ConfigError, match="allowed: one that HEAD comes from"):
            evidence.commit_named(wrong)


def test_a_folder_without_git_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(publish, "ROOT", tmp_path)
    with pytest.raises(SeawallError, match="git rev-parse"):
        evidence.commit_here()


def test_the_results_are_json_that_ends_with_a_line(house):
    evidence.record("torn", [write(house / "made.json", reports.torn())], "abc1234", None)
    text = publish.EVIDENCE.read_text()
    assert text.endswith("}\n")
    assert json.loads(text) == publish.evidence()
