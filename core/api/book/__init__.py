"""The order book: what lists have answered lately, shared so that one call serves many callers."""

from core.api.book.local import LocalBook
from core.api.book.occasion import Occasion
from core.api.book.records import Book

__all__ = ["Book", "LocalBook", "Occasion"]
