from collections.abc import Iterable
from typing import final

from typing_extensions import Buffer

from core_ext.book import Book
from core_ext.codes import FramesFed
from core_ext.scan import Scanner

@final
class BookTable:
    def __init__(self) -> None: ...
    def __len__(self) -> int: ...
    def add(self, symbol: str, scanner: Scanner, book: Book) -> int: ...
    def feed_many(self, frames: Iterable[Buffer], rows: Buffer | None = None) -> FramesFed: ...
