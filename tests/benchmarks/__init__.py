"""Speed, as figures and ratios of one run: ``make bench``. Never part of the timed tests."""
