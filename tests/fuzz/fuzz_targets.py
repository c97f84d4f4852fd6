"""All decoders of the engine, by name."""

from fuzz_engine import Target
from fuzz_target_files import file_targets
from fuzz_target_messages import NASTY_JSON, message_targets
from fuzz_target_native import native_targets
from fuzz_target_scanners import scanner_targets
from fuzz_target_venues import venue_targets


def all_targets() -> dict[str, Target]:
    """Every decoder and file reader; the nasty table is part of each one's hostile samples."""
    found: dict[str, Target] = {}
    for target in (
        *message_targets(),
        *venue_targets(),
        *native_targets(),
        *scanner_targets(),
        *file_targets(),
    ):
        target.hostile += NASTY_JSON
        assert target.name not in found, f"two decoders are called {target.name}"
        found[target.name] = target
    return found
