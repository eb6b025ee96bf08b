"""Errors that a reader can act on. Each message says what was wrong, where, and what to do."""


class DataError(ValueError):
    """A file or a row cannot be used: the message names file, row, column and remedy."""


class ConfigError(ValueError):
    """A setting is outside its range: the message names the field, its value and the range."""
