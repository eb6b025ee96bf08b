"""Bugs planted one at a time: ``make mutants``; no part of the tests."""
