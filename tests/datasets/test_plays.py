from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_samples import Write

from rlrec.datasets import load_play_counts
from rlrec.datasets.plays import PLAY_GENRES, TAG_WORDS, genre_of_tag
from rlrec.errors import DataError


@pytest.mark.parametrize(
    ("tag", "genre"),
    [
        ("rock", "rock"),
        ("Classic Rock", "rock"),
        ("indie rock", "indie"),
        ("metalcore", "metal"),
        ("pop-punk", "punk"),
        ("synthpop", "electronic"),
        ("trip-hop", "electronic"),
        ("hip hop", "hip-hop"),
        ("Hip-Hop", "hip-hop"),
        ("rap", "hip-hop"),
        ("trap", None),
        ("seen live", None),
        ("r&b", "rnb"),
        ("neo_soul", "rnb"),
        ("k-pop", "pop"),
        ("popular", None),
        ("piano", None),
        ("", None),
        ("*", None),
        ("new wave", "rock"),
    ],
)
def test_tags(tag: str, genre: str | None) -> None:
    assert genre_of_tag(tag) == genre


def test_every_genre_has_words() -> None:
    assert {genre for genre, _ in TAG_WORDS} == set(PLAY_GENRES)


def lastfm(write: Write, *plays: str) -> Path:
    write("user_artists.dat", "userID\tartistID\tweight", *plays, end="\r\n")
    write(
        "tags.dat",
        "tagID\ttagValue",
        "1\trock",
        '2\t"pop',
        "3\tseen live",
        "4\tpöp",
        encoding="latin-1",
        end="\r\n",
    )
    tagged = ["2\t51\t1\t1\t4\t2009"] * 3 + [
        "2\t51\t2\t1\t4\t2009",
        "2\t51\t3\t1\t4\t2009",
        "3\t52\t3\t1\t1\t2009",
    ]
    return write(
        "user_taggedartists.dat", "userID\tartistID\ttagID\tday\tmonth\tyear", *tagged
    ).parent


def test_lastfm_by_hand(write: Write) -> None:
    folder = lastfm(write, "2\t51\t100", "3\t51\t40", "3\t52\t60", "4\t52\t7")
    found = load_play_counts(folder)
    rock = PLAY_GENRES.index("rock")
    assert found.user_ids.tolist() == ["2", "3"]
    assert found.counts.shape == (2, len(PLAY_GENRES))
    assert found.counts[:, rock].tolist() == [100, 40], (
        '"pop with a quotation mark and pöp are no tags of ours'
    )
    notes = " ".join(found.report.notes)
    assert "67 of 207 plays" in notes
    assert "1 of 3 users" in notes


def test_plays_are_spread_in_proportion(write: Write) -> None:
    folder = lastfm(write, "2\t51\t100")
    write("tags.dat", "tagID\ttagValue", "1\trock", "2\tpop", "3\tseen live")
    found = load_play_counts(folder)
    assert found.counts[
        0, [PLAY_GENRES.index("rock"), PLAY_GENRES.index("pop")]
    ].tolist() == [
        75,
        25,
    ]


def test_any_csv(write: Write) -> None:
    found = load_play_counts(
        write(
            "p.csv", "user,genre,plays", "a,rock,3", "b,pop,1.5", "a,rock,2", "a,pop,-1"
        )
    )
    assert found.genres == ("pop", "rock")
    np.testing.assert_array_equal(found.counts, [[0, 5], [1.5, 0]])
    (problem,) = found.report.rejected
    assert (problem.row, problem.kind) == (5, "out of its range")


def test_bad_files(write: Write) -> None:
    with pytest.raises(DataError, match="no column for plays"):
        load_play_counts(write("p.csv", "user,genre,love", "a,rock,3"))
    with pytest.raises(DataError, match="refused"):
        load_play_counts(write("p.csv", "user,genre,plays", "a,rock,lots"))
    folder = lastfm(write, "2\t51\t100")
    (folder / "tags.dat").unlink()
    with pytest.raises(DataError, match=r"tags\.dat missing"):
        load_play_counts(folder)


def test_lastfm(real: Path) -> None:
    found = load_play_counts("lastfm")
    assert found.report.rows == 92_834
    assert len(found.user_ids) == 1_891
    share = found.counts / found.counts.sum(axis=1, keepdims=True)
    means = dict(zip(found.genres, share.mean(axis=0), strict=True))
    public = {
        "rock": 0.24,
        "pop": 0.22,
        "indie": 0.11,
        "electronic": 0.10,
        "metal": 0.09,
        "ambient": 0.04,
    }
    assert all(abs(means[name] - value) < 0.08 for name, value in public.items()), means


def test_rows_cut_from_the_tags_are_named(write: Write) -> None:
    folder = lastfm(write, "2\t51\t8")
    write("tags.dat", "tagID\ttagValue", "1\trock", "2")
    write("user_taggedartists.dat", "userID\tartistID\ttagID", "2\t51\t1", "2\t51")
    notes = load_play_counts(folder).report.notes
    assert (
        "tags.dat: 1 of 2 rows left out: row 3 (too few fields (row cut in half?))"
        in notes
    )
    assert (
        "user_taggedartists.dat: 1 of 2 rows left out: row 3 (too few fields (row cut "
        "in half?))"
    ) in notes


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("user_artists.dat", ("userID\tartistID", "2\t51")),
        ("tags.dat", ("tagID", "1")),
        ("user_taggedartists.dat", ("userID\tartistID", "2\t51")),
    ],
)
def test_too_few_columns_are_named(
    write: Write, name: str, lines: tuple[str, ...]
) -> None:
    folder = lastfm(write, "2\t51\t8")
    write(name, *lines)
    with pytest.raises(DataError, match=rf"{name}: row 1: \d columns? .*needed"):
        load_play_counts(folder)


def test_a_fourth_column_does_no_harm(write: Write) -> None:
    folder = lastfm(write)
    write("user_artists.dat", "userID\tartistID\tweight\tyear", "2\t51\t8\t2009")
    assert load_play_counts(folder).counts.sum() == 8
