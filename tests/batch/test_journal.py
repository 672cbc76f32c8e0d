"""The journal: a list taken down once, answers kept, one run at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tellsign.batch.journal import Journal, Tally, fingerprint
from tellsign.batch.listing import Listing
from tellsign.batch.worker import Answer
from tellsign.errors import UsageError


@pytest.fixture
def listing(tmp_path: Path) -> Listing:
    target = tmp_path / "list"
    target.write_bytes(b"".join(b"%d.png\n" % i for i in range(600, 0, -1)))
    return Listing(str(target))


def answer(sha256: str, shared: bool = True, reason: str | None = None) -> Answer:
    return Answer(sha256, shared, reason, b"rows of " + sha256.encode())


def test_answers_outlive_the_journal_object(tmp_path: Path, listing: Listing) -> None:
    first = Journal(tmp_path / "j")
    assert not first.begun
    first.begin(listing, "sha256:plan")
    first.keep(1, answer("aa"))
    first.keep(3, answer("", shared=False, reason="gone"))
    first.link(2, 1)
    first.close()
    again = Journal(tmp_path / "j")
    assert again.begun
    assert (again.total, again.done, again.failed) == (600, 3, 1)
    assert list(again.answers()) == [
        (b"600.png", b"rows of aa"),
        (b"599.png", b"rows of aa"),
        (b"598.png", b"rows of "),
    ]
    assert again.facts["plan"] == "sha256:plan"
    again.close()


def test_a_pass_gives_what_is_undone_in_order_while_answers_come(
    tmp_path: Path, listing: Listing
) -> None:
    journal = Journal(tmp_path / "j")
    journal.begin(listing, "p")
    journal.keep(2, answer("bb"))
    seen = []
    for number, name in journal.undone():
        seen.append((number, name))
        if number % 3:
            journal.keep(number, answer(str(number)))
    assert seen == [(i, b"%d.png" % (601 - i)) for i in range(1, 601) if i != 2]
    assert [number for number, _ in journal.undone()] == list(range(3, 601, 3))
    journal.close()


def test_a_folder_is_taken_down_sorted(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in "cab":
        (folder / name).write_bytes(b"x")
    journal = Journal(tmp_path / "j")
    journal.begin(Listing(str(folder)), "p")
    assert [name.rsplit(b"/")[-1] for _, name in journal.undone()] == [b"a", b"b", b"c"]
    journal.close()


def test_content_is_known_by_its_hash(tmp_path: Path, listing: Listing) -> None:
    journal = Journal(tmp_path / "j")
    journal.begin(listing, "p")
    assert journal.known("aa") is None
    journal.keep(1, answer("aa", shared=False))
    assert journal.known("aa") == (1, False)
    journal.keep(2, answer("aa", shared=True))
    assert journal.known("aa") == (2, True)
    journal.close()


def test_a_listing_that_fails_leaves_nothing_begun(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"a\0b\n")
    journal = Journal(tmp_path / "j")
    with pytest.raises(UsageError):
        journal.begin(Listing(str(tmp_path / "list")), "p")
    assert not journal.begun
    journal.close()


def test_one_run_at_a_time(tmp_path: Path, listing: Listing) -> None:
    journal = Journal(tmp_path / "j")
    journal.begin(listing, "p")
    with pytest.raises(UsageError, match="in use by another run"):
        Journal(tmp_path / "j")
    journal.close()


def test_another_file_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b"something else entirely" * 100)
    with pytest.raises(UsageError, match="is not the journal of a run"):
        Journal(tmp_path / "j")


def test_the_fingerprint_knows_the_names_and_not_their_order(listing: Listing) -> None:
    def of(*names: bytes) -> tuple[int, str]:
        tally = Tally()
        assert list(tally.through(names)) == list(names)
        return tally.count, tally.digest

    assert of(b"a", b"b") == of(b"b", b"a")
    assert len({of(b"a"), of(b"a", b"a"), of(b"b"), of(b"a", b"b"), of()}) == 5
    assert fingerprint(listing)["sources"] == "600"
