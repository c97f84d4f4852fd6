"""Security tests look at real engines and real routes, as the tests of those rooms start them."""

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
for room in ("e2e", "procs/route", "procs/runtime", "shared/venues"):
    sys.path.insert(0, str(TESTS / room))
