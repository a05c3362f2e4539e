"""The comparison: what is written, said and warned of, from synthetic records."""

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from leaderboard.cell import Corpus
from leaderboard.comparison.cautions import cautions
from leaderboard.comparison.compared import Comparison, compared
from leaderboard.comparison.comparison import comparison_markdown, comparison_terminal, write_comparison
from leaderboard.comparison.comparison_page import page
from leaderboard.comparison.comparison_tables import comparison_csv, sheets
from leaderboard.comparison.findings import findings, open_questions
from leaderboard.record import Record
from tests.leaderboard.synthetic_records import KAPPAS, MODELS, budget, comparison, language, part, record

NAMES = {
    "index.html",
    "comparison.md",
    "comparison.csv",
    "effects.csv",
    "costs.csv",
    "comparison.png",
    "comparison.svg",
}
ALL = comparison()


def without_curves(records: list[Record]) -> list[Record]:
    return [r for r in records if r.cell.regime == "language"]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


class Page(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def found() -> Comparison:
    return compared(ALL, "bytes")


def test_everything_is_written_and_the_same_in_any_order(tmp_path: Path) -> None:
    shuffled = [ALL[i] for i in np.random.default_rng(0).permutation(len(ALL))]
    one = write_comparison(ALL, tmp_path / "one", "Prose", "bytes")
    two = write_comparison(shuffled, tmp_path / "two", "Prose", "bytes")
    assert {path.name for path in one} == NAMES == {path.name for path in (tmp_path / "one").iterdir()}
    for a, b in zip(one, two, strict=True):
        assert a.read_bytes() == b.read_bytes()
        assert "costs" in a.name or b"2025-01-01" not in a.read_bytes()


def test_what_no_longer_applies_is_removed(tmp_path: Path) -> None:
    write_comparison(ALL, tmp_path, "All", "bytes")
    written = write_comparison(without_curves(ALL), tmp_path, "Language alone", "bytes")
    assert {path.name for path in written} == NAMES - {"effects.csv"} == {path.name for path in tmp_path.iterdir()}


def test_a_row_for_each_model_and_tokenizer(found: Comparison) -> None:
    table = rows(comparison_csv(found))
    assert [(row["model"], row["tokenizer"]) for row in table] == [(m, k) for m in sorted(MODELS) for k in KAPPAS]
    for row in table:
        assert float(row["bytes_per_token"]) == KAPPAS[row["tokenizer"]]
        assert float(row["flops_per_byte"]) == pytest.approx(2000 / KAPPAS[row["tokenizer"]], rel=1e-4)
        truth = MODELS[row["model"]][2] - 0.2 * np.log2(KAPPAS[row["tokenizer"]])
        assert float(row["bits_per_byte"]) == pytest.approx(truth, abs=0.08)
        assert float(row["bits_low"]) < float(row["bits_per_byte"]) < float(row["bits_high"])


def test_what_does_not_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="no records"):
        compared([], "bytes")
    with pytest.raises(ValueError, match="not of text"):
        compared([record({16: 1.0})], "bytes")
    with pytest.raises(ValueError, match="one text, not of news"):
        compared([ALL[0], record({16: 1.0}, 1.0, corpus=Corpus(name="news", digest="cd" * 32))], "bytes")
    with pytest.raises(ValueError, match="two records of one cell"):
        compared([ALL[0], ALL[0]], "bytes")
    with pytest.raises(ValueError, match=r"gru@byte \(language\) differ in more than the seed"):
        compared([language(2.0), language(2.0, seed=1, budget=budget(lr=0.5))], "bytes")
    with pytest.raises(ValueError, match="different target blocks"):
        findings(compared([language(2.0), language(2.0, model=part("x"), documents=9)], "bytes"))


def test_a_tokenizer_that_failed_everywhere_is_shown_as_failed() -> None:
    lost = [language(2.0, tokenizer=part("bpe-9"), model=part(model), seed=s) for model in MODELS for s in range(3)]
    lost = [
        r.model_copy(update={"status": "failed", "reason": "out of memory", "facts": None, "losses": []}) for r in lost
    ]
    found = compared([*ALL, *lost], "bytes")
    assert found.tokenizers[-1] == "bpe-9"
    assert "failed 3/3" in comparison_markdown(found, "T")
    assert page(found, "T", None).count("failed 3/3") == 4


def test_the_page_asks_the_network_for_nothing_and_escapes_every_name(tmp_path: Path) -> None:
    nasty = "<script>alert(1)</script>|*&"
    models = {nasty: (48.0, 1.0, 2.0), "b": (30.0, 0.0, 2.1)}
    write_comparison(comparison(models, KAPPAS | {"<img src=x>": 4.0}), tmp_path, "A <b>title</b>", "bytes")
    html = (tmp_path / "index.html").read_text()
    read = Page(html)
    assert not {tag for tag, _ in read.tags} & {"script", "link", "img", "iframe", "b", "object", "video"}
    for _, attributes in read.tags:
        assert not any(key.startswith("on") or key == "src" for key in attributes)
        assert all(str(attributes[key]).startswith("#") for key in ("href", "xlink:href") if key in attributes)
    assert "url(http" not in html
    assert "@import" not in html
    assert nasty in "".join(read.words)
    assert "A <b>title</b>" in "".join(read.words)
    markdown = (tmp_path / "comparison.md").read_text()
    assert "<script" not in markdown
    lengths = {len(re.findall(r"(?<!\\)\|", line)) for line in markdown.splitlines() if line.startswith("| ")}
    assert len(lengths) <= 3  # three tables, none broken by a name


def test_the_page_holds_the_table_the_warnings_and_where_they_are_from(found: Comparison) -> None:
    words = "".join(Page(page(found, "Prose", None)).words)
    for sheet in sheets(found):
        assert all(cell in words for row in sheet.rows for cell in row)
    for sentence in [*findings(found), *open_questions(found), *cautions(found)]:
        assert sentence in words
    assert "144 cells, seeds 0, 1, 2" in words
    assert f"sha256 {'ab' * 32}" in words


def test_the_terminal_shows_the_same(found: Comparison) -> None:
    console = Console(width=250, file=io.StringIO(), record=True)
    console.print(comparison_terminal(ALL, "bytes"))
    text = console.export_text()
    assert all(sentence in text for sentence in findings(found))
    assert "2.48 [2.42, 2.54]" in text
