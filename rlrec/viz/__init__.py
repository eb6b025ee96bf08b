"""Plots, the base of all widgets, exercises that check themselves."""
