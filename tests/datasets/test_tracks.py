from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from dataset_samples import GOOD, HEADER, Write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlrec.datasets import FEATURES, load_tracks, scale, unscale
from rlrec.datasets.reading.reports import count_kinds
from rlrec.errors import ConfigError, DataError

FIRST = [0.5, 0.9, 0, -6, 1, 0.05, 0.1, 0, 0.2, 0.4, 120]


def replaced(row: str, column: str, value: str) -> str:
    cells = row.split(",")
    cells[HEADER.split(",").index(column)] = value
    return ",".join(cells)


def test_numbers_by_hand(write: Write) -> None:
    tracks = load_tracks(write("t.csv", HEADER, *GOOD))
    assert len(tracks) == 4
    assert tracks.ids.tolist() == ["a", "b", "c", "d"]
    assert tracks.titles.tolist() == ["Alpha", "Beta", "Gamma", "Delta"]
    assert tracks.artists.tolist() == ["Band 1", "Band 2", "Band 1", "Band 3"]
    assert tracks.genre.tolist() == ["rock", "pop", "jazz", "rock"]
    assert tracks.genre_names == ("jazz", "pop", "rock")
    assert tracks.popularity.tolist() == [50, 20, 0, 99]
    assert tracks.raw[0].tolist() == FIRST
    expected = [0.5, 0.9, 0, 54 / 60, 1, 0.05, 0.1, 0, 0.2, 0.4, 120 / 250]
    np.testing.assert_allclose(tracks.features[0], expected, rtol=1e-6)
    assert tracks.features.dtype == np.float32
    assert tracks.features[1, 2] == 1.0
    assert tracks.report.counts == {"tracks": 4, "artists": 3, "genres": 3}
    assert tracks.report.rejected == tracks.report.warnings == ()


def test_order_case_blanks_prefixes_and_suffixes_of_columns(write: Write) -> None:
    header = (
        "Loudness (dB),Track_URI,song_danceability, Audio Energy ,audio_mode,TEMPO,Key,"
        "Speechiness,acousticness_x,Instrumental ness,track_liveness,Valence score,"
        "Playlist_Genre,Song Name"
    )
    tracks = load_tracks(
        write("t.csv", header, "-6,a,0.5,0.9,1,120,0,0.05,0.1,0,0.2,0.4,rock,Alpha")
    )
    assert tracks.raw[0].tolist() == FIRST
    assert (tracks.ids[0], tracks.titles[0], tracks.genre[0], tracks.artists[0]) == (
        "a",
        "Alpha",
        "rock",
        "",
    )
    assert np.isnan(tracks.popularity[0])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("C#", 1),
        ("Db", 1),
        ("F♯", 6),
        ("B♭", 10),
        ("B", 11),
        ("Cb", 11),
        ("7", 7),
        ("a", 9),
    ],
)
def test_keys_as_notes(write: Write, text: str, number: int) -> None:
    tracks = load_tracks(
        write("t.csv", HEADER, *GOOD[1:], replaced(GOOD[0], "key", text))
    )
    assert tracks.raw[3, FEATURES.index("key")] == number


@pytest.mark.parametrize(
    ("text", "number"), [("Major", 1), ("minor", 0), ("MIN", 0), ("1", 1), ("0.0", 0)]
)
def test_modes_as_words(write: Write, text: str, number: int) -> None:
    tracks = load_tracks(
        write("t.csv", HEADER, *GOOD[1:], replaced(GOOD[0], "mode", text))
    )
    assert tracks.raw[3, FEATURES.index("mode")] == number


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_byte_order_mark_line_ends_and_separators(
    write: Write, encoding: str, end: str, mark: str
) -> None:
    lines = [
        line.replace(",", mark).replace("Alpha", "Ålpha ♥") for line in (HEADER, *GOOD)
    ]
    tracks = load_tracks(write("t.csv", *lines, end=end, encoding=encoding))
    assert tracks.ids.tolist() == ["a", "b", "c", "d"]
    assert tracks.titles[0] == "Ålpha ♥"
    assert tracks.raw[0].tolist() == FIRST


def test_decimal_commas_where_the_separator_is_a_semicolon(write: Write) -> None:
    lines = [line.replace(",", ";").replace(".", ",") for line in (HEADER, *GOOD)]
    assert load_tracks(write("t.csv", *lines)).raw[0].tolist() == FIRST


def test_latin_1_is_read_and_said(write: Write) -> None:
    tracks = load_tracks(
        write("t.csv", HEADER, GOOD[0].replace("Alpha", "Café"), encoding="latin-1")
    )
    assert tracks.titles[0] == "Café"
    assert any("cp1252" in note for note in tracks.report.notes)


def test_quoted_cells_may_hold_separators_quotes_and_line_ends(write: Write) -> None:
    odd = GOOD[0].replace("Alpha", '"Al, ""the""\npha"')
    tracks = load_tracks(
        write("t.csv", HEADER, odd, *GOOD[1:], replaced(GOOD[1], "energy", "7"))
    )
    assert tracks.titles[0] == 'Al, "the"\npha'
    assert tracks.report.rejected[0].row == 7, "rows are lines of the file"


def test_duplicate_ids_are_merged_and_their_genres_collected(write: Write) -> None:
    again = [replaced(GOOD[0], "genre", name) for name in ("pop", "pop", "jazz")]
    tracks = load_tracks(write("t.csv", HEADER, GOOD[0], GOOD[1], *again))
    assert tracks.ids.tolist() == ["a", "b"]
    assert tracks.genres == (("rock", "pop", "jazz"), ("pop",))
    assert tracks.genre.tolist() == ["pop", "pop"], "pop is the most frequent for a"
    assert (tracks.report.rows, tracks.report.counts["tracks"]) == (5, 2)
    tie = load_tracks(write("u.csv", HEADER, GOOD[0], again[0]))
    assert tie.genre.tolist() == ["rock"], "ties: first seen"


def test_a_duplicate_with_other_values_is_named(write: Write) -> None:
    tracks = load_tracks(
        write("t.csv", HEADER, *GOOD, replaced(GOOD[0], "energy", "0.1"))
    )
    (warning,) = tracks.report.warnings
    assert (warning.kind, warning.row, warning.column, warning.value) == (
        "same id, other values",
        6,
        "energy",
        "0.1",
    )
    assert tracks.raw[0, 1] == 0.9


def test_a_file_without_ids_merges_only_rows_alike_in_everything(write: Write) -> None:
    lines = [
        ",".join(line.split(",")[1:])
        for line in (HEADER, *GOOD, GOOD[0], replaced(GOOD[0], "energy", "0.8"))
    ]
    tracks = load_tracks(write("t.csv", *lines))
    assert tracks.ids.tolist() == ["row 2", "row 3", "row 4", "row 5", "row 7"]


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [
        ("energy", "1.01", "out of its range"),
        ("energy", "-0.01", "out of its range"),
        ("key", "12", "out of its range"),
        ("key", "-2", "out of its range"),
        ("key", "3.5", "out of its range"),
        ("key", "H", "text where a number belongs"),
        ("mode", "2", "out of its range"),
        ("mode", "0.5", "out of its range"),
        ("mode", "dorian", "text where a number belongs"),
        ("loudness", "-60.1", "out of its range"),
        ("loudness", "5.1", "out of its range"),
        ("tempo", "300.5", "out of its range"),
        ("tempo", "-1", "out of its range"),
        ("valence", "", "empty cell"),
        ("valence", "nan", "nan or inf"),
        ("valence", "inf", "nan or inf"),
        ("valence", "happy", "text where a number belongs"),
    ],
)
def test_unusable_cells_are_rejected_and_named(
    write: Write, column: str, value: str, kind: str
) -> None:
    tracks = load_tracks(
        write("t.csv", HEADER, *GOOD[:3], replaced(GOOD[3], column, value))
    )
    (problem,) = tracks.report.rejected
    assert (problem.kind, problem.row, problem.column, problem.value, problem.id) == (
        kind,
        5,
        column,
        value,
        "d",
    )
    assert f"{column} must lie in" in problem.remedy
    assert tracks.ids.tolist() == ["a", "b", "c"]
    assert "row 5 (id d): " + column in str(tracks.report)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("energy", "0"),
        ("energy", "1"),
        ("key", "-1"),
        ("key", "11"),
        ("loudness", "-60"),
        ("loudness", "5"),
        ("tempo", "0"),
        ("tempo", "300"),
    ],
)
def test_the_ends_of_the_ranges_are_usable(
    write: Write, column: str, value: str
) -> None:
    tracks = load_tracks(write("t.csv", HEADER, replaced(GOOD[3], column, value)))
    assert len(tracks) == 1
    assert tracks.raw[0, FEATURES.index(column)] == float(value)


def test_rows_cut_in_half_and_rows_with_too_many_fields(write: Write) -> None:
    tracks = load_tracks(
        write("t.csv", HEADER, GOOD[0], GOOD[1][:20], GOOD[2] + ",7", "", GOOD[3])
    )
    kinds = {problem.row: problem.kind for problem in tracks.report.rejected}
    assert kinds == {3: "too few fields (row cut in half?)", 4: "too many fields"}
    assert (tracks.report.rows, len(tracks)) == (4, 2)
    assert any("1 blank line" in note for note in tracks.report.notes)


def test_an_open_quotation_mark_costs_one_row_not_the_file(write: Write) -> None:
    cut = 'x,"cut in the titl'
    quoted = GOOD[2].replace("Gamma", '"Gamma, second"')
    tracks = load_tracks(write("t.csv", HEADER, GOOD[0], cut, GOOD[1], quoted, GOOD[3]))
    assert tracks.ids.tolist() == ["a", "b", "c", "d"]
    assert [problem.row for problem in tracks.report.rejected] == [3]
    assert tracks.titles[2] == "Gamma, second"


def test_an_open_quotation_mark_never_swallows_rows_that_line_up(write: Write) -> None:
    """The quotation mark that opens in the next row closes the one of the cut row.

    A lenient reader would take both for one good row.
    """
    cut, quoted = 'x,"cut in the titl', GOOD[1].replace("Beta", '"Beta"')
    tracks = load_tracks(write("t.csv", HEADER, GOOD[0], cut, quoted, GOOD[3]))
    assert tracks.ids.tolist() == ["a", "b", "d"]
    assert [(problem.row, problem.kind) for problem in tracks.report.rejected] == [
        (3, "a quotation mark never closes")
    ]


def test_warnings_keep_the_row_and_name_it(write: Write) -> None:
    silent = GOOD[0]
    for name in (
        "danceability",
        "speechiness",
        "acousticness",
        "instrumentalness",
        "liveness",
        "valence",
        "tempo",
    ):
        silent = replaced(silent, name, "0")
    odd = [
        replaced(GOOD[1], "loudness", "1.3"),
        replaced(GOOD[2], "key", "-1"),
        replaced(GOOD[3], "name", ""),
    ]
    beatless = replaced(replaced(GOOD[3], "id", "e"), "tempo", "0")
    report = (
        tracks := load_tracks(write("t.csv", HEADER, silent, *odd, beatless))
    ).report
    assert [(w.row, w.kind) for w in report.warnings] == [
        (2, "all-zero row"),
        (3, "loudness above 0 dB"),
        (4, "no key"),
        (5, "no title"),
        (6, "tempo 0"),
    ]
    assert len(tracks) == 5
    assert tracks.features[1, FEATURES.index("loudness")] == 1.0
    assert tracks.features[2, FEATURES.index("key")] == 0.5


@pytest.mark.parametrize(("count", "named"), [(10, 10), (11, 10)])
def test_up_to_ten_warnings_of_a_kind_are_all_named(
    write: Write, count: int, named: int
) -> None:
    rows = [
        replaced(replaced(GOOD[0], "id", f"x{i}"), "loudness", "0.5")
        for i in range(count)
    ]
    text = str(load_tracks(write("t.csv", HEADER, *rows)).report)
    assert text.count("(id x") == named
    assert ("and 1 more" in text) is (count > 10)


def test_destroyed_decimals_are_refused_with_the_likely_cause(
    write: Write, tmp_path: Path
) -> None:
    ruined = [
        GOOD[0].replace("0.9", "916").replace("-6", "-2634"),
        GOOD[1].replace("0.6", "815"),
        *GOOD[2:3],
    ]
    with pytest.raises(
        DataError,
        match=r"refused, 2 of 3 rows.*energy up to 916.*spreadsheet.*dots as decimals",
    ):
        load_tracks(write("t.csv", HEADER, *ruined), rejects=tmp_path / "bad.csv")
    assert (tmp_path / "bad.csv").read_text().count("out of its range") == 2, (
        "rejects are written all the same"
    )


def test_half_of_the_rows_may_be_unusable_but_not_more(write: Write) -> None:
    bad = replaced(GOOD[0], "energy", "2")
    assert len(load_tracks(write("t.csv", HEADER, GOOD[1], GOOD[2], bad, bad))) == 2
    with pytest.raises(DataError, match="refused, 3 of 5"):
        load_tracks(write("t.csv", HEADER, GOOD[1], GOOD[2], bad, bad, bad))


def test_percentages_are_guessed(write: Write) -> None:
    rows = [replaced(row, "energy", "85") for row in GOOD]
    with pytest.raises(DataError, match="energy up to 85: percentages"):
        load_tracks(write("t.csv", HEADER, *rows))


def test_a_missing_feature_names_it_and_what_is_there(write: Write) -> None:
    with pytest.raises(
        DataError, match=r"row 1: no column for energy, tempo\. The file has: id, name"
    ):
        load_tracks(
            write(
                "t.csv",
                HEADER.replace("energy", "power").replace("tempo", "pace"),
                *GOOD,
            )
        )


def test_two_columns_that_claim_one_feature_are_both_named(write: Write) -> None:
    with pytest.raises(
        DataError, match=r"'energy' and 'Audio_Energy' both claim the feature energy"
    ):
        load_tracks(
            write("t.csv", HEADER + ",Audio_Energy", *(row + ",0.5" for row in GOOD))
        )


def test_rejects_hold_the_row_as_it_stands_and_why(
    write: Write, tmp_path: Path
) -> None:
    bad, cut = replaced(GOOD[1], "energy", "hi"), GOOD[2][:9]
    load_tracks(
        write("t.csv", HEADER, GOOD[0], bad, cut, GOOD[3]), rejects=tmp_path / "bad.csv"
    )
    with (tmp_path / "bad.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row"], row["raw"]) for row in rows] == [("3", bad), ("4", cut)]
    assert rows[0]["reason"] == "text where a number belongs"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.csv", "t.csv"], (
        "no temporary file stays"
    )


def test_rejects_never_go_over_the_input(write: Write, tmp_path: Path) -> None:
    path = write("t.csv", HEADER, *GOOD)
    (tmp_path / "link.csv").symlink_to(path)
    before = path.read_bytes()
    for target in (path, tmp_path / "link.csv"):
        with pytest.raises(ConfigError, match="is there already and no earlier"):
            load_tracks(path, rejects=target)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", HEADER.encode(), b"PK\x03\x04rest", b"\x89PNG\x00\x00"]
)
def test_files_without_a_row_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"t\.csv"):
        load_tracks(tmp_path / "t.csv")


def test_index_of(write: Write) -> None:
    tracks = load_tracks(write("t.csv", HEADER, *GOOD))
    assert tracks.index_of(" gAMMA ") == 2
    with pytest.raises(DataError, match="'Delt'; close: 'Delta'"):
        tracks.index_of("Delt")
    with pytest.raises(DataError, match="nothing is close"):
        tracks.index_of("zzzzzz")


def test_a_title_exported_as_na_is_missing(write: Write) -> None:
    row = GOOD[0].replace("Alpha,Band 1", "NA,NA")
    song = GOOD[1].replace("Beta", "NA")
    tracks = load_tracks(write("t.csv", HEADER, row, song))
    assert tracks.titles.tolist() == ["", "NA"]
    assert [w.kind for w in tracks.report.warnings] == ["no title"]


def test_unscaled_is_what_was_scaled() -> None:
    tracks = load_tracks("generated")
    np.testing.assert_allclose(unscale(tracks.features), tracks.raw, atol=1e-4)
    between = np.full((1, 11), 0.52)  # key 5.72, mode .52, as a decoder says
    found = unscale(between)[0]
    np.testing.assert_allclose(found[[2, 3, 4, 10]], [6.0, -28.8, 1.0, 130.0])


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=11, max_size=11)
)
def test_scaled_features_always_lie_in_zero_to_one(values: list[float]) -> None:
    scaled = scale(np.array([values]))
    assert ((scaled >= 0) & (scaled <= 1)).all()


@given(st.text(max_size=300), st.booleans())
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_text_whatever_breaks_the_loader(
    tmp_path: Path, junk: str, with_header: bool
) -> None:
    path = tmp_path / "junk.csv"
    path.write_text(
        (HEADER + "\n" + GOOD[0] + "\n" if with_header else "") + junk,
        encoding="utf-8",
        errors="replace",
    )
    try:
        tracks = load_tracks(path)
    except DataError:  # anything else is a bug
        return
    assert len(tracks) + len(tracks.report.rejected) <= tracks.report.rows


def test_spotify_songs(real: Path) -> None:
    tracks = load_tracks(real / "spotify_songs" / "spotify_songs.csv")
    report = tracks.report
    assert (report.rows, len(tracks), len(report.rejected)) == (32_833, 28_356, 0)
    assert count_kinds(report.warnings) == {
        "loudness above 0 dB": 6,
        "no title": 5,
        "all-zero row": 1,
    }
    loud = [w for w in report.warnings if w.kind == "loudness above 0 dB"]
    silent = next(w for w in report.warnings if w.kind == "all-zero row")
    text = str(report)
    assert "32,833" in text
    assert "28,356" in text
    assert all(f"row {w.row} " in text for w in [*loud, silent])
    assert sum(len(names) > 1 for names in tracks.genres) == 1_687
    assert len(tracks.genre_names) == 6
    assert ((tracks.features >= 0) & (tracks.features <= 1)).all()
    assert len(load_tracks("spotify-songs")) == 28_356, (
        "found by its name in RLREC_DATA"
    )


def test_hit_predictor(real: Path) -> None:
    tracks = load_tracks(real / "spotify_hit_predictor" / "dataset-of-90s.csv")
    assert tracks.ids[0].startswith("spotify:track:")
    assert tracks.genre_names == ()
    assert tracks.report.rows == 5_520
    with pytest.raises(DataError, match="2 CSV files"):
        load_tracks(real / "spotify_hit_predictor")


def test_a_ruined_copy_of_spotify_songs_is_refused(real: Path, tmp_path: Path) -> None:
    with (real / "spotify_songs" / "spotify_songs.csv").open(
        encoding="utf-8", newline=""
    ) as file:
        rows = list(csv.reader(file))
    start = rows[0].index("danceability")
    ruined = [rows[0]] + [
        [*row[:start], *(cell.replace(".", "") for cell in row[start:])]
        for row in rows[1:]
    ]
    with (tmp_path / "ruined.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(ruined)
    with pytest.raises(DataError, match=r"refused.*energy up to .*spreadsheet"):
        load_tracks(tmp_path / "ruined.csv")
