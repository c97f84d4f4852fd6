"""API keys: read from a file that only its owner may read, shown nowhere (L13)."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

import msgspec

from shared.config.toml import TomlError, parse_toml
from shared.errors import ConfigError

_SIGNATURE: Final = re.compile(r"(signature|apiKey)(=|\"\s*:\s*\")[^&\"\s]+", re.IGNORECASE)

LARGEST_FILE: Final = 65_536


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """A key and its secret; its own text never contains either."""

    api_key: str
    api_secret: str

    def __repr__(self) -> str:
        return "Credentials(api_key=…, api_secret=…)"

    __str__ = __repr__

    def scrub(self, text: str) -> str:
        """Text without the key, the secret or a signature, short enough for a log."""
        for secret in (self.api_secret, self.api_key):
            if secret:
                text = text.replace(secret, "…")
        return _SIGNATURE.sub(r"\1\2…", text)[:300]


def load_credentials(path: Path, section: str) -> Credentials:
    """The keys in `[section]` of a TOML file with mode 0600 (or 0400).

    Raises ConfigError naming the file and what is wrong, never a value.
    """
    data = _read_private(path)
    try:
        content = parse_toml(data.decode("utf-8"))
    except (TomlError, UnicodeDecodeError):
        # The parser's message may quote the line; a line of this file may be a secret.
        raise ConfigError(f"credentials: {path} is not TOML") from None
    table = content.get(section)
    if not isinstance(table, dict):
        raise ConfigError(f"credentials: {path} has no section [{section}]")
    values = []
    for name in ("api_key", "api_secret"):
        value = table.get(name)
        if not isinstance(value, str) or not value.strip():
            raise ConfigError(f"credentials: {path} [{section}] {name} is missing or not text")
        values.append(value.strip())
    return Credentials(api_key=values[0], api_secret=values[1])


def _read_private(path: Path) -> bytes:
    try:
        # Without O_NONBLOCK a named pipe would hold up the start for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError(f"credentials: cannot read {path}: {error.strerror}") from error
    try:
        # The opened file is examined, not its name, so that it cannot be exchanged in between.
        described = os.fstat(descriptor)
        mode = stat.S_IMODE(described.st_mode)
        if not stat.S_ISREG(described.st_mode):
            raise ConfigError(f"credentials: {path} is not a regular file")
        if mode & 0o177:
            raise ConfigError(f"credentials: {path} has mode {mode:04o}, allowed is 0600 or 0400")
        if described.st_uid != os.geteuid():
            owner = described.st_uid
            raise ConfigError(f"credentials: {path} belongs to another user (uid {owner})")
        if described.st_size > LARGEST_FILE:
            size = described.st_size
            raise ConfigError(f"credentials: {path} has {size} bytes, allowed are {LARGEST_FILE}")
        return os.read(descriptor, LARGEST_FILE)
    finally:
        os.close(descriptor)
