"""Plots, the lessons' look, widgets and exercises. Needs the ``lessons`` extra."""
