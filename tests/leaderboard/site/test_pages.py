"""The pages as HTML: nothing submitted acts, every number is that of standings.json, every link leads somewhere."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag

import pytest

from leaderboard.site.pages import https_link
from leaderboard.site.render import render_site
from tests.leaderboard.boards import entrants_of, model_named, records_of, tiny_suite, write_submission
from tests.leaderboard.site.sites import EVIL, entrants

VOID = {"meta", "link", "img", "input", "br", "hr", "wbr"}
SCRIPTS = re.compile(r"(\.\./)?assets/(vendor/)?[A-Za-z.]+\.js")


class Page(HTMLParser):
    """Tags with their attributes, the text of cells by table and row, and what was not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.data: list[str] = []
        self.inert: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in <{tag}>"
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables[dict(attrs).get("id") or f"table {len(self.tables)}"] = []
        elif tag == "tr":
            self.last.append([])
        elif tag in ("td", "th"):
            self.last[-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    @property
    def last(self) -> list[list[str]]:
        return list(self.tables.values())[-1]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.inert.append(data)
        elif "td" in self.open or "th" in self.open:
            self.last[-1][-1] += data
        self.data.append(data)


def plain(text: str) -> str:
    """Without what a line break stands for."""
    return " ".join(re.sub(r"; |, (?=\d+ (diverged|failed))", " ", text).split())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "site"
    render_site(entrants(), folder)
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    return {path.relative_to(site).as_posix(): Page(path.read_text()) for path in sorted(site.rglob("*.html"))}


def test_there_is_a_page_for_every_model_and_every_view(pages: dict[str, Page]) -> None:
    views = {"index.html", "granularity.html", "curves.html", "cost.html"}
    assert set(pages) == views | {f"models/{entrant.id}.html" for entrant in entrants()}
    assert all(page.open == [] for page in pages.values())


def test_nothing_submitted_acts(pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        for tag, attributes in page.tags:
            assert tag not in ("img", "iframe", "object", "embed", "base", "style"), name
            assert not any(key.startswith("on") or key in ("style", "srcdoc") for key in attributes), (name, tag)
            for key in ("href", "src", "action"):
                assert not re.match(r"\s*(javascript|data|vbscript):", attributes.get(key) or "", re.IGNORECASE), name
            if tag == "script" and attributes.get("type") != "application/json":
                assert SCRIPTS.fullmatch(attributes.get("src") or ""), name
        assert all(json.loads(data) for data in page.inert)
    shown = [name for name, page in pages.items() if any(EVIL in data for data in page.data)]
    assert {"index.html", "granularity.html", "curves.html", "cost.html"} < set(shown)  # as the text that it is


def test_a_link_is_https_or_none() -> None:
    assert [https_link(None), https_link("javascript:hit()"), https_link("http://a.b")] == ["", "", ""]
    assert https_link("https://example.org/") == "https://example.org/"


def test_every_page_has_the_strict_policy_and_asks_nobody_else(pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        policies = [a["content"] for tag, a in page.tags if tag == "meta" and "http-equiv" in a]
        assert policies == [
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            "base-uri 'none'; form-action 'none'"
        ], name
        fetched = [a.get("src") or a.get("href") for tag, a in page.tags if tag in ("script", "link")]
        assert not any(address and "//" in address for address in fetched), name


def test_every_link_within_the_site_leads_somewhere(site: Path, pages: dict[str, Page]) -> None:
    ids = {name: {a["id"] for _, a in page.tags if "id" in a} for name, page in pages.items()}
    for name, page in pages.items():
        for _, attributes in page.tags:
            address = attributes.get("href") or attributes.get("src")
            if not address or address.startswith("https://"):
                continue
            place, fragment = urldefrag(address)
            target = (site / name).parent / place if place else site / name
            assert target.is_file(), (name, address)
            if fragment:
                assert fragment in ids[target.resolve().relative_to(site.resolve()).as_posix()], (name, address)


def test_tables_show_the_numbers_of_standings_json(site: Path, pages: dict[str, Page]) -> None:
    told = json.loads((site / "data" / "standings.json").read_bytes())
    (suite,) = told["suites"]
    for board in suite["boards"]:
        table = pages["index.html"].tables[f"table-tiny-1-{board['name']}"]
        ranked = [row for row in board["rows"] if row["rank"]]
        assert len(table) == 2 + len(ranked)
        for row, cells in zip(ranked, table[2:], strict=True):
            said = [" ".join(cell.split()) for cell in cells]
            assert said[0].startswith(row["text"]["rank"])
            assert ("tied with the leader" in said[0]) == row["tied"]
            assert said[1].startswith(row["name"])
            assert said[2] == plain(row["text"]["score"])
            rest = said[3:]
            for cell, asked in zip(row["cells"], board["cells"], strict=True):
                assert plain(cell["span"]["text"]) in rest
                assert asked["score"] != "bits per byte" or plain(cell["text"]["raw"]) in rest
            for gamma in row["gammas"].values():
                assert plain(gamma["text"]) in rest
            assert rest[-6:] == [
                plain(row["text"][key]) for key in ("seeds", "n_params", "flops_per_byte", "seconds", "tier", "date")
            ]


def test_rows_without_a_rank_say_why(pages: dict[str, Page]) -> None:
    rows = [row for table in pages["index.html"].tables.values() for row in table]
    said = [" ".join(" ".join(row).split()) for row in rows]
    assert any("incomplete: 1 of 12 trainings failed" in line for line in said)
    assert any("withdrawn: by its author" in line for line in said)
    assert any(f"disputed: does not reproduce {EVIL}" in line for line in said)


def test_a_models_page_has_every_seed_every_digest_and_the_commands(site: Path, pages: dict[str, Page]) -> None:
    entrant = next(each for each in entrants() if each.submission.name == "Failing")
    text = " ".join("".join(pages[f"models/{entrant.id}.html"].data).split())
    assert f"spanbench reproduce {entrant.id}:retain-delayed_recall" in text
    assert all(official.key in text for official in entrant.suite.cells)
    assert f"spanbench reproduce {entrant.id} " in text
    assert "spanbench submit gru --name Failing" in text
    assert "learn planted at byte, seed 101: failed: loss is not finite <b>" in text
    digests = [d for files in entrant.submission.weights.values() for d in files.values()]
    facts = entrant.every_record[-1].facts
    assert facts is not None
    for digest in [entrant.digest, entrant.submission.source, facts.tokenizer_digest, *digests]:
        assert digest in text
    for official in entrant.suite.cells:
        assert official.title in text
    assert "python 3.11.7, torch 2.13.0" in text
    assert "cpu on Linux x86_64, 2 cores" in text


def test_tables_have_captions_and_scopes(pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        tags = [tag for tag, _ in page.tags]
        assert tags.count("table") == tags.count("caption"), name
        assert all("scope" in attributes for tag, attributes in page.tags if tag == "th"), name
        assert all(a.get("role") == "img" and a.get("aria-label") for tag, a in page.tags if tag == "canvas"), name
        ids = [a["id"] for _, a in page.tags if "id" in a]
        assert len(ids) == len(set(ids)), name
        assert tags.count("h1") == tags.count("main") == 1


def test_a_suite_of_one_seed_has_scores_without_intervals(tmp_path: Path) -> None:
    suite = tiny_suite(seeds=[101])
    for name, span in (("Gru", 60.0), ("Rnn", 9.0)):
        write_submission(tmp_path / "submissions", suite, name, records_of(suite, model_named(name), span))
    render_site(entrants_of(tmp_path / "submissions", suite), tmp_path / "site")
    told = json.loads((tmp_path / "site" / "data" / "standings.json").read_bytes())
    rows = [row for board in told["suites"][0]["boards"] for row in board["rows"]]
    assert all(row["score"] is not None and row["low"] is None and "[" not in row["text"]["score"] for row in rows)
    for path in (tmp_path / "site").rglob("*.html"):
        page = Page(path.read_text())
        cells = [cell for table in page.tables.values() for row in table for cell in row]
        assert not any(re.search(r"\b(nan|None|inf)\b", cell) for cell in cells), path.name
