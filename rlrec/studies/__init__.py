"""Agents x worlds x seeds on simulated listeners: run, resumed, reported."""
