"""Files as people have them: what is read, and what a person is told of it.

All lines are made up. Each expectation was counted by hand.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from command import rlrec
from dataset_samples import Write

from rlrec.cli import COMMANDS
from rlrec.datasets import (
    Ratings,
    check_data,
    load_play_counts,
    load_ratings,
    load_sessions,
)
from rlrec.datasets.check import recognise
from rlrec.datasets.reading.columns import Reading
from rlrec.datasets.titles import find_titles
from rlrec.errors import ConfigError, DataError
from rlrec.runs import ddpg
from rlrec.runs.gate import TRAINED_ON, training_lines

SONG = "SO" + "A" * 16
SPOTIFY = [
    {
        "ts": f"2023-01-01T{hour}:00Z",
        "username": "u1",
        "ms_played": played,
        "master_metadata_track_name": title,
        "master_metadata_album_artist_name": title and "Band " + title[-1],
        "spotify_track_uri": title and f"spotify:track:{title[-1]}",
        "reason_end": "trackdone",
        "skipped": skipped,
    }
    for hour, title, played, skipped in (
        ("10:05", "Song A", 200_000, False),
        ("10:09", "Song B", 50_000, True),
        ("10:41", "Song A", 100_000, None),  # began 30 minutes 20 seconds later
        ("10:50", None, 900_000, False),  # a podcast
    )
]
ACCOUNT = [
    {"endTime": "2023-01-01 10:05", "artistName": "A", "trackName": "1", "msPlayed": 9},
    {"endTime": "2023-01-01 10:06", "artistName": "B", "trackName": "2", "msPlayed": 9},
    {"endTime": "2023-01-02 10:06", "artistName": "B", "trackName": "2", "msPlayed": 3},
]


def listen(user: str, at: int, title: str, artist: str) -> str:
    track = {"track_name": title, "artist_name": artist, "release_name": "R"}
    return json.dumps({"user_name": user, "listened_at": at, "track_metadata": track})


# Name, lines of the file, loader, what it counts.
FORMATS: list[tuple[str, list[str], str, dict[str, int]]] = [
    (
        "StreamingHistory_music_0.json",
        [json.dumps(ACCOUNT)],
        "play counts",
        {"users": 1, "genres": 2, "plays": 3},
    ),
    (
        "Streaming_History_Audio_2023_1.json",
        [json.dumps(SPOTIFY)],
        "play counts",
        {"users": 1, "genres": 2, "plays": 3},
    ),
    (
        "1.listens",
        [listen("u1", 1600000000, "1", "A"), listen("u2", 1600000300, "2", "B")],
        "play counts",
        {"users": 2, "genres": 2, "plays": 2},
    ),
    (
        "userid-timestamp-artid-artname-traid-traname.tsv",
        [
            "user_000001\t2009-05-04T23:08:57Z\ta1\tBand A\tt1\tSong 1",
            "user_000001\t2009-05-04T13:54:10Z\ta2\tBand B\t\tSong 2",
            "user_000002\t2009-05-04T13:52:04Z\ta2\tBand B\tt3\tSong 2",
        ],
        "play counts",
        {"users": 2, "genres": 2, "plays": 3},
    ),
    (
        "train_triplets.txt",
        [f"{'0' * 39}{u}\t{SONG[:-1]}{s}\t{n}" for u, s, n in ("1A3", "1B2", "2A9")],
        "play counts",
        {"users": 2, "genres": 2, "plays": 14},
    ),
    (
        "log_0.csv",
        [
            "session_id,session_position,session_length,track_id_clean,skip_1,skip_2,"
            "skip_3,not_skipped",
            "s1,1,2,t1,false,false,false,true",
            "s1,2,2,t2,true,true,true,false",
            "s2,1,1,t1,false,true,true,false",
        ],
        "sessions",
        {"plays": 3, "users": 2, "sessions": 2, "tracks": 2},
    ),
    (
        "BX-Book-Ratings.csv",
        [
            '"User-ID";"ISBN";"Book-Rating"',
            '"1";"034545104X";"0"',
            '"1";"0155061224";"5"',
            '"2";"0155061224";"10"',
        ],
        "ratings",
        {"ratings": 2, "users": 2, "items": 1},
    ),
    (
        "mine/ratings.dat",  # MovieTweetings: ratings up to 10
        ["1::0114508::8::1381006850", "2::0499549::10::1376753198"],
        "ratings",
        {"ratings": 2, "users": 2, "items": 2},
    ),
    (
        "ml.inter",
        [
            "user_id:token\titem_id:token\trating:float\ttimestamp:float",
            "196\t242\t3\t881250949",
            "186\t302\t3.5\t891717742",
        ],
        "ratings",
        {"ratings": 2, "users": 2, "items": 2},
    ),
    (
        "ratings_Books.csv",  # Amazon 2014
        ["A2EFCYXHNK06IS,B0000000AB,5.0,978480000", "A1WR23ER5HMAA9,B0000000AB,1.0,9"],
        "ratings",
        {"ratings": 2, "users": 2, "items": 1},
    ),
    (
        "Books.csv",  # Amazon 2018: the item first
        ["B0000000AB,A2EFCYXHNK06IS,5.0,978480000", "B0000000AB,A1WR23ER5HMAA9,1.0,9"],
        "ratings",
        {"ratings": 2, "users": 2, "items": 1},
    ),
    (
        "All_Beauty.csv",  # Amazon 2023
        [
            "user_id,parent_asin,rating,timestamp",
            "AEAAAAAAAA,B0000000AB,5.0,1588687728923",
            "AEBBBBBBBB,B0000000AB,4.0,1588615855070",
        ],
        "ratings",
        {"ratings": 2, "users": 2, "items": 1},
    ),
    (
        "steam-200k.csv",
        [
            '1,"Game, the",purchase,1.0,0',
            '1,"Game, the",play,2.5,0',
            "2,Other,play,4.5,0",
        ],
        "play counts",
        {"users": 2, "genres": 2, "plays": 7},
    ),
    (
        "goodreads_interactions.csv",
        ["user_id,book_id,is_read,rating,is_reviewed", "0,1,1,5,0", "1,1,0,0,0"],
        "ratings",
        {"ratings": 1, "users": 1, "items": 1},
    ),
    (
        "spaces.txt",
        ["1   40  1  1600000140", " 2 17 2 1600000117 "],
        "ratings",
        {"ratings": 2, "users": 2, "items": 2},
    ),
    (
        "excel.csv",
        ["sep=;", "user;item;rating", "1;40;4,5", "2;17;2"],
        "ratings",
        {"ratings": 2, "users": 2, "items": 2},
    ),
    (
        "trailing.csv",
        ["user,item,rating", "1,40,4,", "2,17,2,", "2,18,3"],
        "ratings",
        {"ratings": 3, "users": 2, "items": 3},
    ),
    (
        "reviews.jsonl",
        [
            '{"reviewerID": "A1", "asin": "B1", "overall": 5.0, "unixReviewTime": 9}',
            '{"reviewerID": "A2", "asin": "B1", "overall": 3.0, "unixReviewTime": 8}',
        ],
        "ratings",
        {"ratings": 2, "users": 2, "items": 1},
    ),
]


@pytest.mark.parametrize(("name", "lines", "what", "counts"), FORMATS)
def test_formats_people_have(
    write: Write, name: str, lines: list[str], what: str, counts: dict[str, int]
) -> None:
    path = write(name, *lines)
    found = recognise(path)(path)
    assert found.report.what == what
    assert {key: found.report.counts[key] for key in counts} == counts
    assert check_data(path)[1] == 0


@pytest.mark.parametrize(("name", "lines", "what", "counts"), FORMATS)
def test_formats_packed(
    write: Write, name: str, lines: list[str], what: str, counts: dict[str, int]
) -> None:
    path = write(name, *lines)
    plain = recognise(path)(path)
    packed = path.parent / "in" / path.name
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert recognise(packed)(packed).report.counts == plain.report.counts
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(path, "folder/x.csv")
        archive.writestr("__MACOSX/._x.csv", "")
    assert recognise(packed)(packed).report.counts == plain.report.counts


def test_broken_archives_are_refused_in_a_sentence(write: Write) -> None:
    path = write("x.csv.gz", "")
    whole = gzip.compress(b"user,item,rating\n1,2,3\n" * 99)
    for broken in (whole[:-9], whole[:20] + b"?" + whole[21:], b"PK\x03\x04junk"):
        path.write_bytes(broken)
        with pytest.raises(DataError, match="is a broken archive"):
            load_ratings(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "x")
        archive.writestr("b.csv", "x")
    with pytest.raises(DataError, match=r"archive of 2 files \(a.csv, b.csv\)"):
        load_ratings(path)


def test_titles_come_from_the_file_beside(write: Write) -> None:
    path = write("ml.inter", "user_id:token\titem_id:token\trating:float", "1\t7\t3")
    write(
        "ml.item", "item_id:token\tmovie_title:token_seq\tclass:token_seq", "7\tF\tA B"
    )
    found = load_ratings(path)
    assert found.titles.tolist() == ["F"]
    assert found.genres == (("A", "B"),)


def test_a_title_that_holds_a_semicolon_is_found(write: Write) -> None:
    rows = ["1,7,3,Tears; Fears", "1,8,4,Fears", "1,9,4,Tears"]
    found = ratings_of(write, *rows, header="user,item,rating,title")
    assert find_titles("tears; fears", found) == [0]
    assert find_titles("Fears; Tears; Fears", found) == [1, 0]
    assert find_titles("Fears; Tears", found) == [1, 2]


@pytest.mark.parametrize("cell", ["A|B", "['A', 'B']", '"A, B"', "A;B"])
def test_genres_in_every_notation(write: Write, cell: str) -> None:
    quoted = cell if cell[0] == '"' or "," not in cell else f'"{cell}"'
    path = write("x.csv", "user,item,rating,title,genres", f"1,7,3,F,{quoted}")
    assert load_ratings(path).genres == (("A", "B"),)


# -- ids -------------------------------------------------------------------------------
def ratings_of(write: Write, *rows: str, header: str = "user,item,rating") -> Ratings:
    return load_ratings(write("x.csv", header, *rows))


@pytest.mark.parametrize(
    ("rows", "users"),
    [
        (["1,7,3", "1.0,8,3", "2,7,3"], ["1", "2"]),  # a mixed column
        (["1.0,7,3", "10.0,8,3", "2.00,7,3"], ["1", "2", "10"]),  # of floats
        (["01,7,3", "1,8,3"], ["01", "1"]),  # leading zeros are letters
        (["u1,7,3", "u2 ,8,3"], ["u1", "u2"]),
        (["1.5,7,3", "2,8,3"], ["1.5", "2"]),
        (["9" * 19 + ",7,3", "1,8,3"], ["1", "9" * 19]),  # beyond 64 bits
        (["9007199254740993.0,7,3", "1,8,3"], ["1", "9007199254740993"]),
    ],
)
def test_ids_are_what_a_person_means(
    write: Write, rows: list[str], users: list[str]
) -> None:
    assert ratings_of(write, *rows).user_ids.tolist() == users


def test_a_float_in_ratings_finds_a_whole_number_in_movies(write: Write) -> None:
    write("movies.csv", "movieId,title", "37,Film")
    path = write("ratings.csv", "user,item,rating", "1,37.0,3")
    assert load_ratings(path).titles.tolist() == ["Film"]


@pytest.mark.parametrize("missing", ["", "NA", "nan", "NaN", "null", "None", "#N/A"])
def test_missing_keys_are_missing_in_every_loader(write: Write, missing: str) -> None:
    found = ratings_of(
        write, f"{missing},7,3", f"1,{missing},3", "1,8,3", "2,8,3", "2,9,1"
    )
    assert (len(found), len(found.report.rejected)) == (3, 2)
    plays = write("p.csv", "user,genre,plays", f"{missing},A,3", "1,A,2", "2,B,2")
    assert load_play_counts(plays).user_ids.tolist() == ["1", "2"]
    header = "user,session,position,track,fraction_listened,liked,skipped"
    rows = [f"1,0,1,{missing},1,0,0", "1,0,2,t,1,0,0", "1,0,3,t,1,0,0"]
    sessions = load_sessions(write("s.csv", header, *rows))
    assert sessions.track_ids.tolist() == ["t"]


def test_ids_rounded_by_a_spreadsheet_refuse_the_file(write: Write) -> None:
    with pytest.raises(DataError, match="2 rows: id rounded by a spreadsheet"):
        ratings_of(write, "1.23457E+17,7,3", "1.23457E+17,8,3", "3,8,3")
    found = ratings_of(write, "1.2E+12,7,3", "1,8,3", "3,8,3")
    assert found.user_ids.tolist() == ["1", "3"]
    assert "digits are lost" in found.report.rejected[0].remedy


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["1,7,3", "1,8,4"], "all ratings are of one user"),
        (["1,7,3", "2,8,4"], "every item is rated once"),
        (["1,7,3", "2,7,3"], "all ratings are equal"),
    ],
)
def test_what_cannot_be_learned_from_is_an_alarm(
    write: Write, rows: list[str], words: str
) -> None:
    found = ratings_of(write, *rows)
    assert any(note.startswith(f"ALARM: {words}") for note in found.report.notes)
    (line,) = [x for x in training_lines(Path("x.csv"), found) if "rerank" in x]
    assert "no, because" in line
    fine = ratings_of(write, "1,7,3", "2,7,4", "2,8,4")
    assert not any("ALARM" in note for note in fine.report.notes)


# -- guesses ---------------------------------------------------------------------------
def test_a_row_number_is_not_the_item(write: Write) -> None:
    header = "id,user,name,rating"
    found = ratings_of(write, "0,1,F,3", "1,1,G,4", "2,2,F,4", header=header)
    assert found.item_ids.tolist() == ["F", "G"]
    assert "id numbers the rows: not the item" in found.report.notes
    found = ratings_of(write, "7,1,F,3", "9,1,G,4", "7,2,F,4", header=header)
    assert found.item_ids.tolist() == ["7", "9"]


def test_a_headerless_file_is_not_swapped_in_silence(write: Write) -> None:
    found = load_ratings(write("x.csv", "i7,u1,3", "i8,u1,4"))
    assert found.user_ids.tolist() == ["u1"]
    found = load_ratings(write("x.csv", "7,1,3", "8,1,4"))
    assert found.user_ids.tolist() == ["7", "8"]
    assert any("--user-column 2" in note for note in found.report.notes)
    swapped = Reading(user_column="2", item_column="1")
    assert load_ratings(write("x.csv", "7,1,3", "8,1,4"), reading=swapped).n_users == 1


def test_columns_can_be_named(write: Write) -> None:
    path = write(
        "x.csv", "a,b,c,d,e", "1,7,3,20,F", "1,8,4,10,G", "2,7,5,30,F", encoding="utf-8"
    )
    reading = Reading("a", "B", "3", "d", "e")
    found = load_ratings(path, reading=reading)
    assert found.items.tolist() == [1, 0, 0], "by time"
    assert found.ratings.tolist() == [4, 3, 5]
    assert found.titles.tolist() == ["F", "G"]
    with pytest.raises(DataError, match=r"no column z: there are a, b, c, d, e"):
        load_ratings(path, reading=Reading(user_column="z"))
    with pytest.raises(DataError, match=r"no column for user, item, rating"):
        load_ratings(path)


def test_one_rating_beyond_the_others_is_a_stray(write: Write) -> None:
    rows = [f"{u},{i},{1 + (u + i) % 5}" for u in range(10) for i in range(10)]
    found = ratings_of(write, *rows, "11,1,10")
    assert [problem.value for problem in found.report.rejected] == ["10"]
    assert any("else --scale 0 10" in note for note in found.report.notes)
    tens = [f"{u},{i},{1 + (u + i) % 10}" for u in range(10) for i in range(10)]
    assert not ratings_of(write, *tens).report.rejected


def test_missing_says_not_rated(write: Write) -> None:
    path = write("x.csv", "user,item,rating", "1,7,0", "1,8,0", "1,9,0", "2,7,4")
    assert len(load_ratings(path)) == 4
    assert any("--missing 0" in note for note in load_ratings(path).report.notes)
    found = load_ratings(path, reading=Reading(missing="0"))
    assert found.ratings.tolist() == [4]
    assert [problem.kind for problem in found.report.rejected] == ["not rated"] * 3


def test_most_zeros_of_book_crossing_do_not_refuse_it(write: Write) -> None:
    rows = ["1;A;0", "1;B;0", "2;A;0", "2;B;10"]
    found = load_ratings(write("BX.csv", "User-ID;ISBN;Book-Rating", *rows))
    assert found.ratings.tolist() == [10]
    assert {problem.kind for problem in found.report.rejected} == {"not rated"}


def test_times_in_every_unit(write: Write) -> None:
    header = "user,item,rating,time"
    rows = ["1,1,3,1600000000", "1,2,3,1600000001000", "1,3,3,1600000002000000"]
    rows.append("1,4,3,1600000003000000000")
    found = ratings_of(write, *rows, header=header)
    assert found.timestamps.tolist() == [1600000000 + step for step in range(4)]
    assert any("3 of 4 times in milliseconds" in note for note in found.report.notes)
    found = ratings_of(write, "1,1,3,", "1,2,3,NA", header=header)
    assert len(found) == 2
    assert "time is empty" in found.report.notes


def test_windows_letters(write: Write) -> None:
    header = "user,item,rating,title"
    path = write("x.csv", header, "1,2,3,“A” – €", encoding="cp1252")
    assert load_ratings(path).titles.tolist() == ["“A” – €"]


# -- histories -------------------------------------------------------------------------
def test_a_history_as_sessions_by_hand(write: Write) -> None:
    found = load_sessions(write("h.json", json.dumps(SPOTIFY)))
    assert found.track_ids[found.tracks].tolist() == [
        "Song A (Band A)",
        "Song B (Band B)",
        "Song A (Band A)",
    ]
    assert found.sessions.tolist() == [0, 0, 1]
    assert found.positions.tolist() == [1, 2, 1]
    np.testing.assert_allclose(found.fraction, [1, 1, 0.5])
    assert found.skipped.tolist() == [False, True, False]
    (podcast,) = found.report.rejected
    assert podcast.row == 4


def test_plays_in_a_folder_of_histories(write: Write) -> None:
    write("f/Streaming_History_Audio_2022_0.json", json.dumps(SPOTIFY[:2]))
    path = write("f/Streaming_History_Audio_2023_1.json", json.dumps(SPOTIFY[2:]))
    found = load_play_counts(path.parent)
    assert found.genres == ("Band A", "Band B")
    assert found.counts.tolist() == [[2, 1]]
    assert found.song("Band A") == "Song A"
    assert "plays skipped: 1; they count as the others do" in found.report.notes
    assert len(load_sessions(path.parent)) == 3


def test_the_most_played_artists_stand_for_genres(write: Write) -> None:
    rows = [
        listen("u1", 1600000000 + i, f"T{i}", f"B{min(i % 20, 12)}") for i in range(60)
    ]
    found = load_play_counts(write("x.jsonl", *rows))
    assert len(found.genres) == 12
    assert found.counts.sum() == 24 + 11 * 3
    assert any("3 plays of 1 others left out" in note for note in found.report.notes)


def test_the_skip_log_by_hand(write: Write) -> None:
    (lines,) = [lines for name, lines, *_ in FORMATS if name == "log_0.csv"]
    found = load_sessions(write("log.csv", *lines))
    np.testing.assert_allclose(found.fraction, [1, 0.05, 0.25])
    assert found.skipped.tolist() == [False, True, True]


def test_from_a_history_to_three_titles(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plays = [
        record | {"ts": f"2023-02-{d:02}T10:00Z"}
        for d in range(1, 20)
        for record in SPOTIFY
    ]
    for at, record in enumerate(plays[:3]):
        record["master_metadata_album_artist_name"] = f"Band {at}"
    path = write("Streaming_History_Audio_2023_1.json", json.dumps(plays))
    run = tmp_path / "me"
    assert rlrec("data check", path) == 0
    assert "train qlearning: yes" in capsys.readouterr().out
    assert rlrec("data sessions", path, "--out", tmp_path / "s.csv") == 0
    assert rlrec("data check", tmp_path / "s.csv") == 0
    assert rlrec("train qlearning --steps 500 --plays", path, "--out", run) == 0
    assert f"rlrec recommend {run} --tracks {path} -k 3" in capsys.readouterr().out
    assert rlrec("recommend", run, "--tracks", path, "-k 3") == 0
    assert capsys.readouterr().out.count("Song ") == 3


# -- one gate --------------------------------------------------------------------------
@pytest.mark.parametrize("protocol", ["rerank", "session", "next_item"])
@pytest.mark.parametrize(
    "rows",
    [
        [f"{u},{i},{1 + (u * i) % 5},{u + i}" for u in range(20) for i in range(30)],
        [f"{u},{i},{1 + (u * i) % 5},{u + i}" for u in range(20) for i in range(9)],
        [f"{u},{i},{1 + (u * i) % 5},0" for u in range(20) for i in range(30)],
        [f"{u},{i},{1 + (u * i) % 10},{i}" for u in range(20) for i in range(30)],
        [f"{u},{u + i},{1 + i},{i}" for u in range(20) for i in range(3)],
        [f"1,{i},{1 + i % 5},{i}" for i in range(30)],
    ],
)
def test_check_and_train_agree(
    write: Write,
    tmp_path: Path,
    rows: list[str],
    protocol: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Up to the first step of the training itself, which only Ctrl-C and NaN end.
    monkeypatch.setattr(ddpg, "_go", lambda *arguments: 0)
    path = write("x.csv", "user,item,rating,time", *rows)
    rlrec("data check", path)
    said = capsys.readouterr().out
    (line,) = [x for x in said.splitlines() if f"--protocol {protocol}:" in x]
    for refusal in re.findall("no, because .*", said):
        assert re.search("give |is --", refusal), "it says what to do"
    out = tmp_path / "run"
    command = f"train ddpg --protocol {protocol} --data"
    status = rlrec(command, path, "--out", out)
    assert (status == 0) == line.endswith(": yes"), (line, capsys.readouterr())


def test_every_command_that_trains_has_a_line() -> None:
    kinds = {command.split()[0] for command in TRAINED_ON}
    assert kinds == set(COMMANDS["train"])


def test_a_scale_that_is_given_becomes_stars(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{u},{i},{1 + (u * i) % 10},{i}" for u in range(20) for i in range(30)]
    path = write("x.csv", "user,item,rating,time", *rows)
    assert rlrec("data check", path) == 0
    assert "--scale 1 10" in capsys.readouterr().out
    assert rlrec("data check --scale 1 10", path) == 0
    assert "--protocol rerank: yes" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="two numbers"):
        Reading(scale=(1.0,))


# -- the folder of cases ---------------------------------------------------------------
CASES = {
    "cp1252.csv": (1000, 40, 60),
    "idmix.csv": (1000, 40, 60),
    "mixed_ms.csv": (1000, 40, 60),
    "rowid.csv": (1000, 40, 60),
    "s_out10.csv": (1199, 60, 80),
    "spaces.txt": (1000, 40, 60),
    "time_empty.csv": (1000, 40, 60),
    "trail.csv": (1000, 40, 60),
}


@pytest.mark.parametrize("name", CASES)
def test_cases(real: Path, name: str) -> None:
    path = real / "cases" / name
    if not path.exists():
        pytest.skip(f"{name} is not in RLREC_DATA")
    found = load_ratings(path)
    assert (len(found), found.n_users, found.n_items) == CASES[name]


def test_cases_against_an_independent_count(real: Path) -> None:
    folder = real / "cases"
    if not folder.exists():
        pytest.skip("no cases in RLREC_DATA")
    text = (folder / "nan.csv").read_text()
    rows = [
        row for row in csv.reader(io.StringIO(text)) if "nan" not in map(str.lower, row)
    ]
    assert len(load_ratings(folder / "nan.csv")) == sum(
        row[3] != "" for row in rows[1:]
    )
    text = (folder / "BX-official.csv").read_text("latin-1")
    rows = list(csv.reader(io.StringIO(text), delimiter=";"))
    books = load_ratings(folder / "BX-official.csv")
    assert len(books) == sum(row[2] != "0" for row in rows[1:])
    lines = (folder / "movietweetings.dat").read_text().splitlines()
    pairs = {tuple(line.split("::")[:2]) for line in lines}
    assert len(load_ratings(folder / "movietweetings.dat")) == len(pairs)
    rows = list(csv.reader((folder / "steam_plays_and_purchases.csv").open()))
    played = [row for row in rows if row[2] == "play"]
    steam = load_play_counts(folder / "steam_plays_and_purchases.csv")
    assert steam.report.rows - len(steam.report.rejected) == len(played)
    with pytest.raises(DataError, match="rounded by a spreadsheet"):
        load_ratings(folder / "sciid.csv")
    history = json.loads((folder / "Streaming_History_Audio_2023_1.json").read_text())
    titled = [one for one in history if one["master_metadata_track_name"]]
    assert len(load_sessions(folder / "Streaming_History_Audio_2023_1.json")) == len(
        titled
    )
