"""README's numbers are those of the committed result file, written by the script."""

from __future__ import annotations

from bench import publish


def test_the_numbers_in_the_readme_come_from_the_result_file():
    written = publish.README.read_text(encoding="utf-8")
    assert written == publish.render(), "run `python -m bench.publish --render`"
    assert "p50" in publish.tables(publish.json.loads(publish.RESULTS.read_text(encoding="utf-8")))
