"""Lesson 16."""

import numpy as np


def trimmed(stamps):
    calls = np.sort(np.diff(stamps)[1:])
    return calls[1:-1].mean()


def transposed(weights, biases, states):
    found = np.maximum(0.0, states @ weights + biases[:, None])
    return np.swapaxes(found, 1, 2)


def summed(weights, biases, states):
    return np.maximum(0.0, np.einsum("sni,tio->sno", states, weights))


def no_share(cpu_hours, p, f, cpu_price, gpu_price):
    return cpu_hours * (cpu_price - gpu_price)


WRONG = {
    "16.1": [
        ([10, 89], "asked for is"),
        ([10, 89, 500.0], ""),
        ([30, 90, 415.789], "left at *0* rows"),
    ],
    "16.2": [
        (trimmed, ""),
        (lambda stamps: 0.2, ""),
        (lambda stamps: np.mean(np.diff(stamps)[1:]), "median"),
    ],
    "16.3": [([2.5], "asked for is"), ([2.4, 4.0], ""), ([5.0, 4.0], "playing stays")],
    "16.4": [
        (transposed, ""),
        (summed, ""),
        (lambda w, b, x: np.maximum(0.0, x @ w), "biases are missing"),
    ],
    "16.5": [
        (no_share, ""),
        (lambda hours, p, f, cpu, gpu: hours * cpu, ""),
        (lambda hours, p, f, cpu, gpu: hours * p * (1 - 1 / f), "hours saved"),
    ],
}
