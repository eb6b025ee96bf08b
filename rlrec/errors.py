"""Errors that a reader can act on. Each message says what was wrong, where, and what to do."""

from collections.abc import Iterable


class DataError(ValueError):
    """A file or a row cannot be used: the message names file, row, column and remedy."""


class ConfigError(ValueError):
    """A setting is outside its range: the message names the field, its value and the range."""


class TrainingDiverged(RuntimeError):
    """A loss is not a number, or a critic believes in values that no sequence of rewards can give."""


def require_ranges(settings: object, ranges: Iterable[tuple[str, float, float]]) -> None:
    """Raise ``ConfigError`` unless each named attribute of ``settings`` lies in its closed range (name, low, high)."""
    for name, low, high in ranges:
        value = getattr(settings, name)
        if not low <= value <= high:
            raise ConfigError(f"{name} is {value}; it must lie in [{low}, {high}]")
