"""Parts of a campaign: kept whole, found again, and their sum is the campaign."""

import bench_reports as reports
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.proofs import PROOFS
from bench.seed_parts import Part, joined, keep_part, kept_parts, missing, read_part
from procs.simulate.campaign import Found, campaign
from shared.errors import ConfigError

PROOF = PROOFS["seeds"]


def part(first, stop, **changed):
    return Part(range(first, stop), reports.simulated(seeds=stop - first, **changed))


def keep(folder, *ranges):
    for first, stop in ranges:
        keep_part(folder, range(first, stop), reports.text_of(part(first, stop).report))


def ranges(found):
    return [(one.start, one.stop) for one in found]


def test_what_is_kept_is_found_again_in_order(tmp_path):
    keep(tmp_path, (2000, 4000), (0, 2000), (10000, 10040))
    found = kept_parts(PROOF, tmp_path, range(50_000))
    assert ranges(one.seeds for one in found) == [(0, 2000), (2000, 4000), (10000, 10040)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "0-1999.json",
        "10000-10039.json",
        "2000-3999.json",
    ]


def test_no_folder_is_no_parts(tmp_path):
    assert kept_parts(PROOF, tmp_path / "none", range(9)) == []


def test_half_a_part_is_none(tmp_path):
    (tmp_path / "0-1999.half").write_text('{"seeds":')
    assert kept_parts(PROOF, tmp_path, range(9_000)) == []


def test_parts_beyond_what_is_wanted_and_parts_over_others_do_not_count(tmp_path):
    keep(tmp_path, (0, 100), (50, 150), (100, 200), (190, 300), (400, 500))
    found = kept_parts(PROOF, tmp_path, range(50, 450))
    assert ranges(one.seeds for one in found) == [(50, 150), (190, 300)]


def test_only_what_is_missing_is_played():
    parts = [part(2000, 4000), part(4100, 4200)]
    assert ranges(missing(range(0, 5000), parts)) == [(0, 2000), (4000, 4100), (4200, 5000)]
    assert ranges(missing(range(0, 5000), [])) == [(0, 2000), (2000, 4000), (4000, 5000)]
    assert ranges(missing(range(2000, 4000), parts[:1])) == []


@given(
    st.lists(st.integers(0, 60), min_size=2, max_size=12, unique=True).map(sorted),
    st.integers(1, 9),
)
def test_parts_and_what_is_missing_make_the_whole(bounds, size):
    wanted = range(bounds[0], bounds[-1])
    parts = [part(*pair) for pair in zip(bounds[::2], bounds[1::2], strict=False)]
    gaps = [part(gap.start, gap.stop) for gap in missing(wanted, parts, size)]
    assert all(len(gap.seeds) <= size for gap in gaps)
    assert joined([*parts, *gaps]).seeds == wanted


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("first.json", "{}", "a name that tells no seeds"),
        ("0-1.json", "{}", "no report of this proof"),
        ("0-8.json", reports.text_of(part(0, 8).report), "8 seeds, allowed: as many as its name"),
        ("7-3.json", reports.text_of(part(0, 8).report), "8 seeds, allowed: as many as its name"),
        ("0.json", reports.text_of(reports.simulated(seeds=0)), "0 seeds"),
        ("0-1.json", reports.text_of(part(0, 2, mode="liveness").report), "mode liveness"),
    ],
)
def test_a_part_that_is_none_is_refused_by_its_name(tmp_path, name, text, words):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as refused:
        kept_parts(PROOF, tmp_path, range(9))
    assert str(refused.value).startswith(str(path))


def test_a_part_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"0\.json: cannot be read"):
        read_part(PROOF, tmp_path / "0.json")


def test_a_part_is_known_by_its_first_seed_alone(tmp_path):
    path = tmp_path / "20000.json"
    path.write_text(reports.text_of(part(20000, 22000).report))
    assert read_part(PROOF, path).seeds == range(20000, 22000)


def test_the_sum_of_parts_is_the_campaign():
    def quietly(done, total):
        pass

    pieces = [
        Part(seeds, campaign(seeds, "swarm", 1, quietly))
        for seeds in (range(0, 2), range(2, 3), range(3, 5))
    ]
    whole = campaign(range(0, 5), "swarm", 1, quietly)
    found = joined(reversed(pieces))
    assert found.seeds == range(0, 5)
    # How fast it went is the machine's.
    for report in (found.report, whole):
        assert report.events_per_s > 0
        report.events_per_s = report.seeds_per_s = 0.0
    assert found.report == whole


def test_violations_rates_and_shares_are_those_of_all():
    broken = Found(seed=7, law="L6", step=1, text="sold twice", command="again")
    slow = part(0, 100, events=1_000, events_per_s=10.0, opened_share=1.0, violations=[broken])
    fast = part(100, 400, events=3_000, events_per_s=30.0, opened_share=0.8, events_min=1_501)
    found = joined([fast, slow]).report
    assert (found.seeds, found.events, found.events_per_s) == (400, 4_000, 20.0)
    assert found.opened_share == 0.85
    assert found.events_min == 1_501
    assert found.violations == [broken]
    assert found.faults == {"lost_say": 1_400_000}
    assert found.coverage == {"Beat × lost_say": 14}


@pytest.mark.parametrize("second", [(90, 200), (110, 200), (0, 100)])
def test_seeds_between_parts_may_not_be_missing_or_told_twice(second):
    with pytest.raises(ConfigError, match="behind 0:100, allowed: beginning at 100"):
        joined([part(0, 100), part(*second)])
