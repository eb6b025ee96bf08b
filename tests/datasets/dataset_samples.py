"""Lines of tiny hand-made files. No row of a real data set is in here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

HEADER = (
    "id,name,artist,genre,popularity,danceability,energy,key,loudness,mode,speechiness,"
    "acousticness,instrumentalness,liveness,valence,tempo"
)
GOOD = [
    "a,Alpha,Band 1,rock,50,0.5,0.9,0,-6,1,0.05,0.1,0,0.2,0.4,120",
    "b,Beta,Band 2,pop,20,0.7,0.6,11,-12,0,0.1,0.3,0.5,0.1,0.8,100",
    "c,Gamma,Band 1,jazz,0,0.3,0.2,5,-30,1,0.04,0.9,0.8,0.3,0.2,75",
    "d,Delta,Band 3,rock,99,0.6,0.8,7,-3,1,0.06,0.05,0,0.15,0.6,250",
]

Write = Callable[..., Path]
