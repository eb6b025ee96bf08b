from __future__ import annotations

import csv
from pathlib import Path

import pytest
from dataset_samples import GOOD, HEADER, Write

from rlrec.datasets import check_data

USABLE, REFUSED, NOT_FOUND = 0, 1, 2


def test_recognises_by_columns(write: Write) -> None:
    cases = {
        "tracks": write("a.csv", HEADER, *GOOD),
        "ratings": write("b.csv", "user,item,rating", "a,b,3"),
        "sessions": write(
            "c.csv",
            "user,session,position,track,fraction_listened,liked,skipped",
            "a,0,1,t,1,0,0",
        ),
        "play counts": write("d.csv", "user;genre;plays", "a;rock;3"),
    }
    for what, path in cases.items():
        text, status = check_data(path)
        assert status == USABLE
        assert text.startswith(f"{path}: {what}\n")
    assert "ratings" in check_data(write("e.csv", "1,2,3,4", "1,3,3,5"))[0]


def test_what_is_refused_and_what_is_not_found(write: Write, tmp_path: Path) -> None:
    for path, words in (
        (write("README.md", "hello"), "text for people"),
        (
            write("x.csv", "colour,size", "red,3"),
            "not recognised; its first row reads: colour, size",
        ),
        (write("y.csv", HEADER, GOOD[0].replace("0.9", "916")), "refused"),
        (write("z.csv", ""), "empty"),
        (
            write("missing.csv", HEADER.replace("energy", "power"), *GOOD),
            "no column for energy",
        ),
    ):
        text, status = check_data(path)
        assert status == REFUSED
        assert words in text
        assert str(path) in text
    text, status = check_data(tmp_path / "nowhere.csv")
    assert status == NOT_FOUND
    assert "no such file" in text


def test_a_folder_with_several_files(write: Write, tmp_path: Path) -> None:
    folder = write("f/a.csv", HEADER, *GOOD).parent
    write("f/b.csv", HEADER, GOOD[0].replace("0.9", "916"))
    text, status = check_data(folder)
    assert status == REFUSED, "one of them is"
    assert "a.csv: tracks" in text
    assert "b.csv: refused" in text
    (tmp_path / "empty").mkdir()
    assert check_data(tmp_path / "empty")[1] == REFUSED


def test_the_generated_folder() -> None:
    text, status = check_data("generated")
    assert status == USABLE
    assert "tracks.csv: tracks" in text
    assert "ratings.csv: ratings" in text


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("", REFUSED, "pass one of those"),
        ("README.md", REFUSED, "text for people"),
        ("lastfm_hetrec2011", USABLE, "play counts"),
        ("lastfm_hetrec2011/artists.dat", USABLE, "17,632"),
        ("lastfm_hetrec2011/tags.dat", USABLE, "11,946"),
        ("lastfm_hetrec2011/user_artists.dat", USABLE, "92,834"),
        ("lastfm_hetrec2011/user_taggedartists.dat", USABLE, "186,478"),
        ("ml-100k", USABLE, "100,000"),
        ("ml-100k/u.data", USABLE, "1,682"),
        ("ml-100k/u.item", USABLE, "pass"),
        ("ml-100k/u.user", USABLE, "943"),
        ("ml-100k/u.genre", USABLE, "19"),
        ("ml-100k/README", REFUSED, "text for people"),
        ("ml-1m/movies.dat", USABLE, "3,883"),
        ("ml-1m/users.dat", USABLE, "6,040"),
        ("ml-1m/README", REFUSED, "people"),
        ("ml-latest-small", USABLE, "100,836"),
        ("ml-latest-small/movies.csv", USABLE, "9,742"),
        ("ml-latest-small/README.txt", REFUSED, "text for people"),
        ("spotify_songs", USABLE, "28,356"),
        ("spotify_hit_predictor", USABLE, "5,520"),
    ],
)
def test_every_layout(real: Path, path: str, status: int, words: str) -> None:
    if not (real / path).exists():
        pytest.skip(f"{path} is not in RLREC_DATA")
    text, found = check_data(real / path)
    assert found == status, text
    assert words in text


def test_rejects_of_play_counts_and_side_files(write: Write, tmp_path: Path) -> None:
    bad = tmp_path / "out" / "bad.csv"
    plays = write("p.csv", "user,genre,plays", "a,rock,3", "a,pop,lots", "b,rock,1")
    write("l/user_artists.dat", "userID\tartistID\tweight", "1\t1\t5", "1\t1\tmany")
    tags = write("l/tags.dat", "tagID\ttagValue", "1\trock", "7")
    write("l/user_taggedartists.dat", "userID\tartistID\ttagID", "1\t1\t1")
    films = write("movies.csv", "movieId,title,genres", "1,A,Drama", "2,B, C,Drama")
    for source, row in (
        (plays, "a,pop,lots"),
        (tags.parent, "1\t1\tmany"),
        (tags, "7"),
        (films, "2,B, C,Drama"),
    ):
        bad.unlink(missing_ok=True)
        assert check_data(source, rejects=bad)[1] == USABLE
        with bad.open(newline="") as file:
            assert [found["raw"] for found in csv.DictReader(file)] == [row]
