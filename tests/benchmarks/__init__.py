"""Speed, as figures and ratios of one run: ``make bench``; no part of the tests."""
