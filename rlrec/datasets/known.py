"""The data sets that rlrec knows by name."""

from __future__ import annotations

from dataclasses import dataclass

_MOVIELENS = "https://files.grouplens.org/datasets/movielens"
_ARCHIVED = "https://web.archive.org/web/2024id_"
_TIDY = "https://raw.githubusercontent.com/rfordatascience/tidytuesday"
_TIDY_PATH = "data/2020/2020-01-21/spotify_songs.csv"
_RESEARCH = (
    "research only, no redistribution, no commercial use; cite Harper & Konstan (2015)"
)


@dataclass(frozen=True)
class DataSet:
    """One data set: where it comes from, its checksums, its terms.

    name, kind, summary, licence, about: text for people.
    folders: names of its folder in `RLREC_DATA`.
    needed: files without which it cannot be used.
    files: file of the archive -> sha256, "" where only the archive's is known.
    urls: https addresses, tried in order; () for what ships with the project.
    archive_sha256: "" where the archive is made again now and then.
    size: bytes to download, roughly.
    """

    name: str
    kind: str
    summary: str
    licence: str
    folders: tuple[str, ...]
    needed: tuple[str, ...]
    about: str
    files: dict[str, str]
    urls: tuple[str, ...] = ()
    archive_sha256: str = ""
    size: int = 0

    @property
    def is_archive(self) -> bool:
        """Whether the download is a zip archive rather than the file itself."""
        return bool(self.urls) and self.urls[0].endswith(".zip")

    def card(self) -> str:
        """A text on content, source, terms and limits, to read before using it."""
        lines = [f"# {self.name}", "", self.summary, "", self.about, ""]
        lines += [f"Licence: {self.licence}.", "", "From:"]
        for url in self.urls:
            lines.append(f"- {url}")
        if not self.urls:
            lines.append("- ships with the project, made by `rlrec data make`")
            return "\n".join(lines)
        lines += ["", "Checksums:"]
        if self.archive_sha256:
            lines.append(f"- the archive: sha256 {self.archive_sha256}")
        for name, digest in self.files.items():
            lines.append(f"- `{name}` sha256 {digest or 'covered by the archive'}")
        return "\n".join(lines)


_ALL = (
    DataSet(
        name="generated",
        kind="tracks, ratings, sessions",
        summary="2,000 invented tracks, 12,400 invented ratings.",
        licence="MIT, as the project",
        folders=("generated",),
        needed=("tracks.csv", "ratings.csv"),
        files={},
        about=(
            "Made from one seed, calibrated to public aggregates; no real track,\n"
            "person or rating is in it.\n"
            "Cards of the parts: `rlrec data card tracks`, `ratings`, `sessions`."
        ),
    ),
    DataSet(
        name="spotify-songs",
        kind="tracks",
        summary=(
            "32,833 rows, 28,356 tracks, 6 genres, 24 subgenres, 11 audio features."
        ),
        licence=(
            "Spotify's terms; no licence is stated with the file, so it is never "
            "redistributed here"
        ),
        folders=("spotify_songs", "spotify-songs"),
        needed=("spotify_songs.csv",),
        size=7_971_379,
        files={
            "spotify_songs.csv": (
                "9902920cfe4940f0914ebb6716801a42f7f19ac88fbd6693eaae7e2822b16845"
            )
        },
        urls=(
            f"{_TIDY}/2c423bacc57e4632ff8550557e0bc823eefa31ab/{_TIDY_PATH}",
            f"{_TIDY}/main/{_TIDY_PATH}",
            f"{_TIDY}/master/{_TIDY_PATH}",
        ),
        about=(
            "TidyTuesday, 21 January 2020: tracks of 471 playlists, looked up in\n"
            "Spotify's audio-features interface (which has answered 403 to new\n"
            "applications since November 2024). A track stands once for each\n"
            "playlist and genre: 1,687 tracks have several genres. One row is all\n"
            "zero (the analysis failed), six are louder than 0 dB, five have no\n"
            "title. Genres are those of playlists, not of artists."
        ),
    ),
    DataSet(
        name="ml-100k",
        kind="ratings",
        summary="100,000 ratings (1 to 5) by 943 users of 1,682 films, 1997 to 1998.",
        licence=_RESEARCH,
        folders=("ml-100k",),
        needed=("u.data",),
        size=4_924_029,
        files={
            "u.data": (
                "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"
            ),
            "u.item": "",
            "u.genre": "",
            "u.user": "",
            "README": "",
        },
        urls=(f"{_MOVIELENS}/ml-100k.zip", f"{_ARCHIVED}/{_MOVIELENS}/ml-100k.zip"),
        archive_sha256=(
            "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229"
        ),
        about=(
            "MovieLens 100k (GroupLens, University of Minnesota). Users with fewer\n"
            "than 20 ratings were left out. Public copies are often altered: trust\n"
            "the checksum. Titles and genres in u.item (latin-1)."
        ),
    ),
    DataSet(
        name="ml-1m",
        kind="ratings",
        summary=(
            "1,000,209 ratings (1 to 5) by 6,040 users of 3,706 films, 2000 to 2003."
        ),
        licence=_RESEARCH,
        folders=("ml-1m",),
        needed=("ratings.dat",),
        size=5_917_549,
        files={"ratings.dat": "", "movies.dat": "", "users.dat": "", "README": ""},
        urls=(f"{_MOVIELENS}/ml-1m.zip", f"{_ARCHIVED}/{_MOVIELENS}/ml-1m.zip"),
        archive_sha256=(
            "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20"
        ),
        about=(
            "MovieLens 1M (GroupLens, University of Minnesota). Most users rated\n"
            "all their films in one sitting, so many ratings of a user share a\n"
            "second: order within a second is the file's, not the user's."
        ),
    ),
    DataSet(
        name="ml-latest-small",
        kind="ratings",
        summary="100,836 ratings (0.5 to 5) by 610 users of 9,724 films.",
        licence=(
            "redistribution allowed under the same terms; cite Harper & Konstan (2015)"
        ),
        folders=("ml-latest-small",),
        needed=("ratings.csv",),
        size=978_202,
        files={
            "ratings.csv": (
                "aa289ca83157595d0df6aea1be6a4ded676ddc4385472e8313a8ed9805352646"
            ),
            "movies.csv": (
                "5a5f32dd9bb3797b8e728a1b98958789d2b13f294a69fdfbc5727f8a9611aa07"
            ),
            "README.txt": "",
        },
        urls=(f"{_MOVIELENS}/ml-latest-small.zip",),
        about=(
            "MovieLens latest-small, as of September 2018 (GroupLens). The archive\n"
            "is re-made upstream now and then, so its files are checked, not the\n"
            "archive. 18 of its 9,742 films have no rating."
        ),
    ),
    DataSet(
        name="lastfm",
        kind="play counts",
        summary="92,834 user-artist play counts of 1,892 users, 186,000 taggings.",
        licence=(
            "non-commercial use; cite Cantador, Brusilovsky & Kuflik (2011), HetRec"
        ),
        folders=("lastfm_hetrec2011", "hetrec2011-lastfm-2k", "lastfm"),
        size=2_589_075,
        needed=("user_artists.dat", "tags.dat", "user_taggedartists.dat"),
        files={
            "user_artists.dat": (
                "001400dc3c7d2667fca6e4ea6dc6acc31a9dd28ad5cd0f74cea988c019934d3b"
            ),
            "user_taggedartists.dat": "",
            "tags.dat": "",
        },
        urls=(
            "https://files.grouplens.org/datasets/hetrec2011/hetrec2011-lastfm-2k.zip",
        ),
        archive_sha256=(
            "6738f48195667ff03caaab4d32ca9a3133d8cc026b7c3cdaf6ce1010e913c59c"
        ),
        about=(
            "Last.fm, from the HetRec 2011 workshop. Genres are made here: an\n"
            "artist's plays are spread over its tags, and tags are mapped onto\n"
            "twelve broad genres by the table in `rlrec/datasets/plays.py`."
        ),
    ),
)

CATALOGUE: dict[str, DataSet] = {entry.name: entry for entry in _ALL}
