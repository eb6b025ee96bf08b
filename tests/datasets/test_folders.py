"""Where data are looked for, and in which order."""

import pytest

from rlrec.datasets import locate
from rlrec.datasets.folders import bundled_folder
from rlrec.errors import DataError


def test_bundled_means_nothing_but_what_ships(monkeypatch, tmp_path):
    plays = tmp_path / "cache" / "lastfm"
    plays.mkdir(parents=True)
    for name in (
        "artists.dat",
        "tags.dat",
        "user_artists.dat",
        "user_taggedartists.dat",
    ):
        (plays / name).write_text("")
    monkeypatch.setattr(
        "rlrec.datasets.folders.cache_folder", lambda: tmp_path / "cache"
    )
    monkeypatch.setenv("RLREC_DATA", "")
    assert locate("lastfm") == plays
    monkeypatch.setenv("RLREC_DATA", "bundled")
    assert locate("generated") == bundled_folder()
    with pytest.raises(DataError, match="rlrec data fetch lastfm"):
        locate("lastfm")


def test_the_folder_of_rlrec_data_comes_first(monkeypatch, tmp_path):
    for place in (tmp_path / "mine", tmp_path / "cache"):
        (place / "ml-100k").mkdir(parents=True)
        for name in ("u.data", "u.item"):
            (place / "ml-100k" / name).write_text("")
    monkeypatch.setattr(
        "rlrec.datasets.folders.cache_folder", lambda: tmp_path / "cache"
    )
    monkeypatch.setenv("RLREC_DATA", str(tmp_path / "mine"))
    assert locate("ml-100k") == tmp_path / "mine" / "ml-100k"
    monkeypatch.delenv("RLREC_DATA")
    assert locate("ml-100k") == tmp_path / "cache" / "ml-100k"


@pytest.mark.parametrize("source", ["x" * 5000, "~nobody-of-this-name/x"])
def test_a_path_that_cannot_be(source):
    with pytest.raises(DataError, match="cannot be looked at"):
        locate(source)
