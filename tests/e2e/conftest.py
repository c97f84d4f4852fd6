"""Real engines in user folders of their own, gone after each test whatever happened in it."""

import pytest
from engine_process import Engine


@pytest.fixture
def engine(tmp_path):
    made = Engine(tmp_path / "user")
    yield made
    made.clean_up()
