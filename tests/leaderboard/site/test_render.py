"""The site as a folder: the same bytes each time, put in its place as a whole, and never over somebody's files."""

import hashlib
from pathlib import Path

import pytest

from leaderboard.site.render import MARKER, render_site
from tests.leaderboard.site.sites import ATTESTATION, entrants, event, of_revision


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_submissions_give_the_same_bytes_in_any_order_and_place(tmp_path: Path) -> None:
    once = render_site(entrants(), tmp_path / "a")
    render_site(entrants()[::-1], tmp_path / "deep" / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "deep" / "b")
    assert sorted(once) == once == sorted(path for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert not any(str(tmp_path).encode() in data for data in contents(tmp_path / "a").values())


def test_a_site_made_before_is_replaced_as_a_whole(tmp_path: Path) -> None:
    site = tmp_path / "site"
    render_site(entrants(), site)
    (site / "models" / "gone-12345678.html").write_text("an old page")
    render_site(entrants()[:2], site)
    render_site(entrants()[:2], tmp_path / "other")
    assert contents(site) == contents(tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "site"]


def test_an_empty_folder_is_taken_and_anything_else_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    render_site([], tmp_path / "empty")
    assert b"No submission yet" in (tmp_path / "empty" / "index.html").read_bytes()
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.tex").write_text("years")
    with pytest.raises(ValueError, match="not a site made before"):
        render_site([], theirs)
    (theirs / MARKER).write_text("something else")
    with pytest.raises(ValueError, match="not a site made before"):
        render_site([], theirs)
    with pytest.raises(ValueError, match="this is a file"):
        render_site([], theirs / "thesis.tex")
    assert (theirs / "thesis.tex").read_text() == "years"


def test_what_goes_wrong_half_way_leaves_the_old_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    render_site(entrants()[:1], tmp_path / "site")
    before, write = contents(tmp_path / "site"), Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == "cost.html":
            raise OSError("no space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space left"):
        render_site(entrants(), tmp_path / "site")
    assert contents(tmp_path / "site") == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_an_id_that_leads_elsewhere_names_no_page(tmp_path: Path) -> None:
    found = entrants()[0]
    bad = of_revision(found, 1).submission.model_copy(update={"id": "../../evil"})
    with pytest.raises(ValueError, match="cannot be the name of a page"):
        render_site([type(found)(bad, found.suite, found.records, found.digest, (), found.tier)], tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_attestations_that_the_ledger_names_come_along_and_no_others(tmp_path: Path) -> None:
    digest = hashlib.sha256(ATTESTATION).hexdigest()
    named = event(entrants()[0], "rescored", attestation=digest)
    folder = tmp_path / "attestations" / named.id
    folder.mkdir(parents=True)
    (folder / "2026-03-01-rescore.json").write_bytes(ATTESTATION)
    (folder / "2026-03-02-rescore.json").write_bytes(b"{}")
    render_site([named], tmp_path / "site", tmp_path / "attestations")
    place = f"attestations/{named.id}/2026-03-01-rescore.json"
    copied = {name: data for name, data in contents(tmp_path / "site").items() if name.startswith("attestations/")}
    assert copied == {place: ATTESTATION}
    page = (tmp_path / "site" / "models" / f"{named.id}.html").read_text()
    assert f'href="../{place}"' in page
    assert digest in page


def test_an_older_revision_stands_under_its_own_heading(tmp_path: Path) -> None:
    render_site([*entrants()[:3], *(of_revision(each, 2) for each in entrants()[3:6])], tmp_path / "site")
    page = (tmp_path / "site" / "index.html").read_text()
    now, then = page.split("Frozen: suite tiny, revision 1")
    assert now.count("<table") >= 3
    assert then.count("<table") >= 3
    for each in entrants()[:3]:
        assert each.id not in now
        assert each.id in then
    assert (tmp_path / "site" / "data" / "tiny-1-text.csv").exists()
    assert (tmp_path / "site" / "data" / "tiny-2-text.csv").exists()
