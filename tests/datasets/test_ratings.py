from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest
from dataset_samples import Write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlrec.datasets import Ratings, load_ratings
from rlrec.datasets.reading import engines
from rlrec.datasets.reading.columns import Reading
from rlrec.errors import ConfigError, DataError

ROWS = [
    ("10", "7", "5", "30"),
    ("2", "9", "1", "20"),
    ("2", "7", "4", "10"),
    ("10", "30", "3", "5"),
]


def check_rows(ratings: Ratings) -> None:
    """Users 2, 10 and items 7, 9, 30 in numeric order; a user's rows by time."""
    assert ratings.user_ids.tolist() == ["2", "10"]
    assert ratings.item_ids.tolist() == ["7", "9", "30"]
    assert ratings.users.tolist() == [0, 0, 1, 1]
    assert ratings.items.tolist() == [0, 1, 2, 0]
    assert ratings.ratings.tolist() == [4, 1, 3, 5]
    assert ratings.timestamps.tolist() == [10, 20, 5, 30]
    assert (ratings.n_users, ratings.n_items, len(ratings)) == (2, 3, 4)
    kinds = [
        a.dtype
        for a in (ratings.users, ratings.items, ratings.ratings, ratings.timestamps)
    ]
    assert kinds == [np.int32, np.int32, np.float32, np.int64]


def test_movielens_100k_layout(write: Write) -> None:
    write("u.data", *("\t".join(row) for row in ROWS))
    flags = ["0"] * 19
    flags[1] = flags[18] = "1"
    write(
        "u.item",
        "7|Café (1990)|01-Jan-1990||http://x|" + "|".join(flags),
        encoding="latin-1",
    )
    for source in (
        write("u.user", "1|2|M|x|1").parent,
        write("u.user", "1|2|M|x|1").parent / "u.data",
    ):
        ratings = load_ratings(source)
        check_rows(ratings)
        assert ratings.titles.tolist() == ["Café (1990)", "", ""]
        assert ratings.genres == (("Action", "Western"), (), ())


def test_movielens_1m_layout(write: Write) -> None:
    path = write("ratings.dat", *("::".join(row) for row in ROWS))
    write(
        "movies.dat",
        "7::Pelé: the film (1990)::Drama|War",
        "99::Unrated::Comedy",
        encoding="latin-1",
    )
    ratings = load_ratings(path.parent)
    check_rows(ratings)
    assert ratings.titles[0] == "Pelé: the film (1990)"
    assert ratings.genres[0] == ("Drama", "War")
    assert any(
        note.startswith("1 listed items have no rating")
        for note in ratings.report.notes
    )


def test_movielens_latest_small_layout(write: Write) -> None:
    rows = [("10", "7", "4.5", "30"), *ROWS[1:]]
    path = write(
        "ratings.csv",
        "userId,movieId,rating,timestamp",
        *(",".join(row) for row in rows),
        end="\r\n",
    )
    write(
        "movies.csv",
        "movieId,title,genres",
        '7,"Film, The (1990)",Drama|IMAX',
        "9,Nine,(no genres listed)",
    )
    ratings = load_ratings(path.parent)
    assert ratings.ratings.tolist() == [4, 1, 3, 4.5]
    assert ratings.titles.tolist() == ["Film, The (1990)", "Nine", ""]
    assert ratings.genres == (("Drama", "IMAX"), (), ())


@pytest.mark.parametrize(
    "header",
    [
        "user,item,rating,timestamp",
        "User_ID,Track ID,Score,Date",
        "userId,asin,stars,time",
    ],
)
def test_any_csv_with_common_names(write: Write, header: str) -> None:
    check_rows(load_ratings(write("x.csv", header, *(",".join(row) for row in ROWS))))


def test_columns_in_another_order_with_titles_and_genres(write: Write) -> None:
    rows = [f"{r};{i};Film {i};{u};A|B;{t}" for u, i, r, t in ROWS]
    ratings = load_ratings(
        write("x.csv", "rating;movieId;title;userId;genres;timestamp", *rows)
    )
    check_rows(ratings)
    assert ratings.titles.tolist() == ["Film 7", "Film 9", "Film 30"]
    assert ratings.genres == (("A", "B"),) * 3


def test_no_header_and_no_time(write: Write) -> None:
    ratings = load_ratings(
        write("x.csv", "u2,i1,5", "u1,i2,3", "u2,i0,4", encoding="utf-8-sig")
    )
    assert ratings.user_ids.tolist() == ["u1", "u2"]
    assert ratings.items.tolist() == [2, 1, 0], "without times the file's order is time"
    assert ratings.timestamps.tolist() == [0, 0, 0]
    assert any("no header" in note for note in ratings.report.notes)
    assert any("no time column" in note for note in ratings.report.notes)


def test_dates_become_seconds(write: Write) -> None:
    rows = ["1,1,5,1970-01-02", "1,2,5,1970-01-01 00:00:10", "1,3,5,someday"]
    ratings = load_ratings(write("x.csv", "user,item,rating,date", *rows))
    assert ratings.timestamps.tolist() == [10, 86_400]
    (problem,) = ratings.report.rejected
    assert (problem.kind, problem.row, problem.column, problem.value) == (
        "time unreadable",
        4,
        "date",
        "someday",
    )


@pytest.mark.parametrize(
    ("row", "kind", "column"),
    [
        ("1,2,five,9", "text where a number belongs", "rating"),
        ("1,2,,9", "empty cell", "rating"),
        ("1,2,nan,9", "nan or inf", "rating"),
        ("1,2,11,9", "outside the scale", "rating"),
        ("1,2,-1,9", "outside the scale", "rating"),
        (",2,5,9", "no id", "user"),
        ("1,,5,9", "no id", "item"),
        ("1,2,5", "too few fields (row cut in half?)", "3 fields, the header has 4"),
        ("1,2,5,9,9", "too many fields", "5 fields, the header has 4"),
        ("1,2,5,x", "time unreadable", "timestamp"),
    ],
)
def test_unusable_rows_are_rejected_and_named(
    write: Write, tmp_path: Path, row: str, kind: str, column: str
) -> None:
    path = write("x.csv", "user,item,rating,timestamp", "1,1,5,1", row, "1,3,4,2")
    ratings = load_ratings(path, rejects=tmp_path / "bad.csv")
    (problem,) = ratings.report.rejected
    assert (problem.kind, problem.row, problem.column) == (kind, 3, column)
    assert len(ratings) == 2
    assert row in (tmp_path / "bad.csv").read_text().replace('"', "")


def test_of_several_ratings_the_last_in_time_stays(write: Write) -> None:
    rows = ["1,7,5,30", "1,7,2,10", "1,8,3,5", "1,8,4,5", "2,7,1,1"]
    ratings = load_ratings(write("x.csv", "user,item,rating,timestamp", *rows))
    assert list(zip(ratings.users.tolist(), ratings.ratings.tolist(), strict=True)) == [
        (0, 4),
        (0, 5),
        (1, 1),
    ]
    assert [(p.kind, p.row) for p in ratings.report.rejected] == [
        ("rated again later", 3),
        ("rated again later", 4),
    ]


def test_repeats_alone_never_refuse_a_file(write: Write) -> None:
    path = write("x.csv", "user,item,rating", "1,7,5", "1,7,4", "1,7,3", "1,7,2")
    assert load_ratings(path).ratings.tolist() == [2]


def test_counts_are_refused_with_the_likely_cause(write: Write) -> None:
    path = write("x.csv", "user,item,rating", "1,1,500", "1,2,90", "1,3,4")
    with pytest.raises(
        DataError, match=r"refused, 2 of 3 rows.*up to 500, the scale ends at 10"
    ):
        load_ratings(path)
    assert len(load_ratings(path, reading=Reading(scale=(0, 1000)))) == 3
    with pytest.raises(ConfigError, match="lowest rating below"):
        Reading(scale=(5, 5))


def test_a_missing_column_is_named(write: Write) -> None:
    with pytest.raises(
        DataError,
        match=r"row 1: no column for rating\. The file has: user, item, plays",
    ):
        load_ratings(write("x.csv", "user,item,plays", "a,b,c"))


def test_a_folder_without_ratings(write: Write) -> None:
    with pytest.raises(
        DataError, match=r"no u\.data or ratings\.dat or ratings\.csv in"
    ):
        load_ratings(write("README", "x").parent)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 12), st.integers(1, 9), st.integers(1, 5), st.integers(0, 20)
        ),
        min_size=1,
        max_size=60,
    )
)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_against_a_slow_way(
    tmp_path: Path, rows: list[tuple[int, int, int, int]]
) -> None:
    (tmp_path / "x.csv").write_text(
        "user,item,rating,time\n" + "".join(f"{','.join(map(str, r))}\n" for r in rows)
    )
    ratings = load_ratings(tmp_path / "x.csv")
    last: dict[tuple[int, int], tuple[int, int, int]] = {}
    for place, (user, item, value, when) in enumerate(rows):
        if (user, item) not in last or when >= last[user, item][0]:
            last[user, item] = (when, place, value)
    expected = sorted(
        (user, when, place, item, value)
        for (user, item), (when, place, value) in last.items()
    )
    found = [
        (int(ratings.user_ids[u]), int(t), int(ratings.item_ids[i]), int(r))
        for u, t, i, r in zip(
            ratings.users,
            ratings.timestamps,
            ratings.items,
            ratings.ratings,
            strict=True,
        )
    ]
    assert found == [
        (user, when, item, value) for user, when, _, item, value in expected
    ]
    assert len(ratings) + len(ratings.report.rejected) == len(rows)


@pytest.mark.parametrize(
    ("name", "ratings", "users", "items", "low"),
    [
        ("ml-100k", 100_000, 943, 1_682, 1),
        ("ml-latest-small", 100_836, 610, 9_724, 0.5),
        ("ml-1m", 1_000_209, 6_040, 3_706, 1),
    ],
)
def test_movielens(
    real: Path, name: str, ratings: int, users: int, items: int, low: float
) -> None:
    found = load_ratings(name)
    assert (len(found), found.n_users, found.n_items) == (ratings, users, items)
    assert found.report.rejected == ()
    assert (found.ratings.min(), found.ratings.max()) == (low, 5)
    assert "Toy Story (1995)" in found.titles
    assert all(found.titles)
    order = np.lexsort((found.timestamps, found.users))
    assert (order == np.arange(len(found))).all()


def days(write: Write, *dates: str) -> tuple[list[str], Ratings]:
    """Each date as the loader read it, one user each, and the ratings."""
    rows = [f"{user},1,5,{date}" for user, date in enumerate(dates)]
    ratings = load_ratings(write("x.csv", "user,item,rating,date", *rows))
    return [str(np.datetime64(int(t), "s"))[:10] for t in ratings.timestamps], ratings


@pytest.mark.parametrize(
    ("dates", "expected", "note"),
    [
        (
            ("12/02/2020", "13/02/2020", "14.02.2020"),
            ["2020-02-12", "2020-02-13", "2020-02-14"],
            "day first",
        ),
        (
            ("12/02/2020", "02/13/2020 10:00"),
            ["2020-12-02", "2020-02-13"],
            "read month first",
        ),
        (
            ("12/02/2020", "01/02/2020"),
            ["2020-12-02", "2020-01-02"],
            "may be day first or month first",
        ),
        (("2020-02-12", "2020-12-02T10:00"), ["2020-02-12", "2020-12-02"], ""),
        (
            ("2019-05-06", "2020", "2020-02-03"),
            ["2019-05-06", "2020-01-01", "2020-02-03"],
            "",
        ),
    ],
)
def test_day_and_month_have_one_order_in_a_column(
    write: Write, dates: tuple[str, ...], expected: list[str], note: str
) -> None:
    found, ratings = days(write, *dates)
    assert found == expected
    assert ratings.report.rejected == ()
    assert any(note in remark for remark in ratings.report.notes)
    assert note or not any("first" in remark for remark in ratings.report.notes)


def test_dates_that_contradict_each_other_are_rejected(write: Write) -> None:
    found, ratings = days(write, "13/02/2020", "02/13/2020", "2020-01-01", "2020-01-02")
    assert found == ["2020-01-01", "2020-01-02"]
    assert [problem.row for problem in ratings.report.rejected] == [2, 3]
    with pytest.raises(
        DataError, match="some dates stand day first, others month first"
    ):
        days(write, "13/02/2020", "02/13/2020")


@pytest.mark.parametrize("date", ["9999-12-31", "0001-01-01", "-1"])
def test_a_date_that_nanoseconds_cannot_hold_is_rejected(
    write: Write, date: str
) -> None:
    found, ratings = days(write, "2020-01-31", date, "1999-12-31")
    assert found == ["2020-01-31", "1999-12-31"]
    assert [problem.value for problem in ratings.report.rejected] == [date]
    assert ratings.report.rejected[0].kind == "time unreadable"


def test_a_list_of_another_file_gives_no_titles(write: Write) -> None:
    write("movies.csv", "movieId,title", "1,A film")
    assert load_ratings(
        write("songs_ratings.csv", "user,item,rating", "a,1,5")
    ).titles.tolist() == [""]
    ratings = load_ratings(write("ratings.csv", "user,item,rating", "a,1,5"))
    assert ratings.titles.tolist() == ["A film"]
    assert "titles and genres from movies.csv" in ratings.report.notes


def test_a_neighbour_that_is_no_list_is_ignored_and_named(write: Write) -> None:
    write("items.csv", "colour,size", "red,3")
    assert len(load_ratings(write("mine.csv", "user,item,rating", "a,1,5"))) == 1
    ratings = load_ratings(write("ratings.csv", "user,item,rating", "a,1,5"))
    assert any(
        "not used" in note and "items.csv: is no list" in note
        for note in ratings.report.notes
    )


def test_rows_cut_from_the_list_of_items_are_named(write: Write) -> None:
    write("movies.csv", "movieId,title,genres", "1,A film,Drama", "2,Film, Two,Drama")
    ratings = load_ratings(write("ratings.csv", "user,item,rating", "a,1,5", "a,2,4"))
    assert (
        "movies.csv: 1 of 2 rows left out: row 3 (too many fields)"
        in ratings.report.notes
    )


def test_rejects_hold_all_lines_of_a_row(write: Write, tmp_path: Path) -> None:
    path = write(
        "x.csv",
        "user,item,rating,note",
        'a,1,99,"first',
        'second"',
        "a,2,5,x",
        "a,3,5,x",
    )
    load_ratings(path, rejects=tmp_path / "bad.csv")
    with (tmp_path / "bad.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["raw"] == 'a,1,99,"first\nsecond"'


def test_an_id_of_a_thousand_digits_is_read_and_a_longer_one_refused(
    write: Write,
) -> None:
    long = "9" * 1000
    rows = ("10,1,5", "9,1,5")
    ratings = load_ratings(write("x.csv", "user,item,rating", f"{long},1,5", *rows))
    assert ratings.user_ids.tolist() == ["9", "10", long]
    longer = write("y.csv", "user,item,rating", f"{'9' * 5000},1,5", *rows)
    with pytest.raises(DataError, match=r"user of 5,000 characters, more than 1,000"):
        load_ratings(longer)


@pytest.mark.parametrize("twice", ["rating", "user", "item"])
def test_a_column_that_stands_twice_is_named(write: Write, twice: str) -> None:
    path = write("x.csv", f"user,item,rating,{twice.upper()}", "a,1,5,4")
    with pytest.raises(
        DataError, match=f"'{twice}' and '{twice.upper()}' both claim the {twice}"
    ):
        load_ratings(path)


def test_a_huge_cell_is_called_so(write: Write) -> None:
    path = write(
        "x.csv", "user,item,rating,note", "a,1,5," + "x" * 140_000, "a,2,5,x", "a,3,5,x"
    )
    (problem,) = load_ratings(path).report.rejected
    assert (problem.kind, problem.row) == ("a cell of more than 131,072 characters", 2)


def test_a_file_that_cannot_be_opened(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("x.csv", "user,item,rating", "a,1,5")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(
        DataError, match=r"x\.csv: cannot be read \(Permission denied\)"
    ):
        load_ratings(path)


def outcome(path: Path) -> tuple[object, ...]:
    """All that `load_ratings` says of a file: every field and type, or the error."""
    try:
        found = load_ratings(path)
    except DataError as error:
        return (str(error),)
    values: list[object] = []
    for value in vars(found).values():
        if isinstance(value, np.ndarray):
            values += [value.dtype.str, value.tolist()]
        else:
            values.append(value)
    return tuple(values)


def both_outcomes(path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Compare the quick reader with the careful one; whether the quick one read it."""
    calls = []
    careful = engines.parse_carefully
    with monkeypatch.context() as patch:
        patch.setattr(
            engines, "parse_carefully", lambda *a: calls.append(1) or careful(*a)
        )
        found = outcome(path)
    with monkeypatch.context() as patch:
        patch.setattr(engines, "_parse_quickly", lambda *arguments: False)
        assert found == outcome(path)
    return not calls


HEADER = "userId,movieId,rating,timestamp"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_is_shown_for_a_long_file_on_a_terminal_only(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("u.data", *("\t".join(row) for row in ROWS))

    def shown(file: io.StringIO, least: int) -> str:
        monkeypatch.setattr(engines, "SHOWN", least)
        monkeypatch.setattr("sys.stderr", file)
        check_rows(load_ratings(path))
        return file.getvalue()

    assert "reading" in shown(Terminal(), 1)
    assert not shown(Terminal(), 1_000)
    assert not shown(io.StringIO(), 1)


def test_the_quick_reader_reads_flawless_files(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    tabs = write("u.data", *("\t".join(row) for row in ROWS))
    colons = write("ratings.dat", *("::".join(row) for row in ROWS))
    commas = write("ratings.csv", HEADER, *(",".join(row) for row in ROWS))
    for path in (tabs, colons, commas):
        assert both_outcomes(path, monkeypatch)
        check_rows(load_ratings(path))
        assert load_ratings(path).report.rows == 4
    path = commas.with_name("windows")
    path.mkdir()
    path /= "ratings.csv"
    path.write_bytes(commas.read_bytes().replace(b"\n", b"\r\n"))
    assert both_outcomes(path, monkeypatch)
    other = write("other.csv", "user,item,rating", "1,2,3")
    assert both_outcomes(other, monkeypatch)
    torn = write("torn.csv", "user,item,rating", '1,"2"x,3')
    assert not both_outcomes(torn, monkeypatch)


@pytest.mark.parametrize(
    "row",
    [
        "",  # a blank line
        " ",
        "1,2,3",  # three cells
        "1,2,3,4,5",
        "1,2,,4",
        "1,2,3,",
        ",2,3,4",
        "1,,3,4",
        "01,2,3,4",  # not the id 1
        "1,02,3,4",
        "0,2,3,4",
        " 1,2,3,4",
        '"1",2,3,4',
        '1,"2,3,4',
        "1,2,3.25,4",  # between half stars
        "1,2,3.,4",
        "1,2,.5,4",
        "1,2,5.5,4",  # outside the scale
        "1,2,0,4",
        "1,2,nan,4",
        "1,2,3,4.5",
        "1,2,3,-4",
        "1,2,3,9007199254740993",  # not a float64
        "1,2,3,99999999999999999999",
        "99999999999999999999,2,3,4",
        "1.5,2,3,4",
        "1,2.0,3,4",
        "1,2,1e0,4",
        "1,2,3,2020-01-31",
        "10,7,4,31",  # rated again later
        "ü,2,3,4",
        "1\t2,3,4,5",
        "1\x1f2\x1f3\x1f4",
        "1:2,3,4,5",
        "1,2,3,4\r1,3,3,4",
    ],
)
@pytest.mark.parametrize("mark", [",", "\t", "::"])
@pytest.mark.parametrize("at", [0, 2, 4])
def test_both_readers_agree_on_damaged_files(
    row: str, mark: str, at: int, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [*map(",".join, ROWS)]
    rows.insert(at, row)
    rows = [line.replace(",", mark) for line in rows]
    name = {",": "ratings.csv", "\t": "u.data", "::": "ratings.dat"}[mark]
    path = write(name, *([HEADER] if mark == "," else []), *rows)
    both_outcomes(path, monkeypatch)


def test_both_readers_agree_on_one_cell_too_few_and_one_too_many(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    for rows in (["1,2,3", "1,3,3,4,5"], ["1,2,3,4,5", "1,3,3"], [HEADER], []):
        path = write("ratings.csv", HEADER, *rows)
        both_outcomes(path, monkeypatch)


def test_the_quick_reader_keeps_to_a_scale_and_to_a_file_of_rejects(
    write: Write, tmp_path: Path
) -> None:
    path = write("ratings.csv", HEADER, *map(",".join, ROWS))
    found = load_ratings(path, reading=Reading(scale=(2.0, 5.0)))
    assert (len(found), len(found.report.rejected)) == (3, 1)
    load_ratings(path, rejects=tmp_path / "rejects.csv")
    assert (tmp_path / "rejects.csv").exists()


@pytest.mark.skipif(not os.environ.get("RLREC_DATA"), reason="RLREC_DATA is not set")
def test_both_readers_agree_on_all_real_files(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(os.environ["RLREC_DATA"])
    small = {"ml-100k": "u.data", "ml-latest-small": "ratings.csv"}
    for name, file in small.items():
        path = folder / name / file
        assert not path.exists() or both_outcomes(path, monkeypatch)
    for path in sorted((folder / "cases").glob("*.*")):
        both_outcomes(path, monkeypatch)
