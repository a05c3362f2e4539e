"""Hub corpora: from folders laid out as in the Hub, from its cache, and from nowhere."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tasks.hub import COMMIT, Hub, articles

CONFIGS = Path(__file__).parents[2] / "configs" / "corpora"
HUBS = sorted(path.stem for path in CONFIGS.glob("*.yaml") if "tasks.hub.Hub" in path.read_text())
WIKI = [
    *["", " = First article = \n", "", " Some words . \n", "", " = = A section = = \n", "", " x = y \n"],
    *[" = no heading = \n", "", " = Second = \n", " = = = deeper = = = \n", "", " Ümläute \n"],
]
FIRST = " \n = First article = \n \n Some words . \n \n = = A section = = \n \n x = y \n = no heading = \n \n"
SECOND = " = Second = \n = = = deeper = = = \n \n Ümläute \n"
README = """---
configs:
- config_name: raw
  default: true
  data_files: [{split: train, path: raw/train-*}, {split: test, path: raw/test-*}]
- config_name: lower
  data_files: [{split: train, path: lower/train-*}]
---
# A data set
"""


@pytest.fixture(autouse=True)
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from datasets import config

    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path / "hf" / "datasets")
    return tmp_path / "hf"


def write(path: Path, texts: Sequence[str | None], column: str = "text") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"title": pa.array(["t"] * len(texts)), column: pa.array(texts, pa.string())}), path)


def wikitext(root: Path) -> Path:
    write(root / "raw" / "train-00000-of-00002.parquet", WIKI[:6])
    write(root / "raw" / "train-00001-of-00002.parquet", WIKI[6:])
    write(root / "raw" / "test-00000-of-00001.parquet", WIKI[10:])
    write(root / "lower" / "train-00000-of-00001.parquet", [row.lower() for row in WIKI])
    (root / "README.md").write_text(README)
    return root


def texts(corpus: Hub) -> list[str]:
    return [text.decode() for _, text in corpus.read()]


def digest(documents: list[str]) -> str:
    return sha256(b"".join(sorted({sha256(text.encode()).digest() for text in documents}))).hexdigest()


def test_wikitext_rows_are_lines_of_articles(tmp_path: Path):
    root = str(wikitext(tmp_path / "w"))
    chosen: dict[str, Any] = {"rows": "wikitext", "parts": ("train", "test")}
    for corpus in (Hub(root, config="raw", **chosen), Hub(root, folder="raw", **chosen)):
        assert texts(corpus) == [FIRST, SECOND, SECOND]
        assert (corpus.digest, corpus.n_duplicates) == (digest([FIRST, SECOND]), 1)
    assert texts(Hub(root, config="lower", parts=["train"], rows="wikitext")) == [FIRST.lower(), SECOND.lower()]


def test_articles_lose_no_line():
    rows = [(f"row {number}", line.encode()) for number, line in enumerate(WIKI)]
    assert list(articles(rows)) == [("row 0", FIRST.encode()), ("row 10", SECOND.encode())]
    assert list(articles([("row 0", b"no break")])) == [("row 0", b"no break\n")]
    assert not list(articles([("row 0", b""), ("row 1", b"")]))


def test_rows_of_stories_and_books_are_documents(tmp_path: Path):
    stories = [f"Once upon a time {number}." for number in range(60)]
    for shard in range(4):
        write(tmp_path / "data" / f"train-{shard:05}-of-00004-2d5a1467fff1081b.parquet", stories[shard * 12 :][:12])
    write(tmp_path / "data" / "validation-00000-of-00001-869c898b519ad725.parquet", [*stories[48:], stories[0]])
    (tmp_path / "TinyStories-train.txt").write_text("not a part of it")
    corpus = Hub(str(tmp_path), folder="data", parts=["train", "validation"])
    assert texts(corpus) == [*stories, stories[0]]
    assert (corpus.digest, corpus.n_duplicates, corpus.is_cut) == (digest(stories), 1, False)
    assert corpus.n_documents("train") == 42


def test_one_row_is_cut_inside(tmp_path: Path):
    text = "".join(f"<page>{number}</page>\n\n" for number in range(100))
    write(tmp_path / "enwik8-raw" / "train" / "0000.parquet", [text])
    write(tmp_path / "enwik8" / "train" / "0000.parquet", text.splitlines())
    corpus = Hub(str(tmp_path), folder="enwik8-raw", parts=["train"])
    assert corpus.is_cut
    assert b"".join(corpus.split(split).tobytes() for split in ("train", "val", "test")).decode() == text


def test_what_is_not_there_names_the_choices(tmp_path: Path):
    root = wikitext(tmp_path / "w")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"config": "upper"}, r"'upper'.*'raw', 'lower'"),
        ({"config": "raw"}, r"has no part 'validation': it has train, test$"),
        ({"config": "raw", "parts": ["train"], "column": "body"}, r"no column 'body'.* strings are title, text$"),
        ({"folder": "row"}, r"there is no folder .*/w/row$"),
        ({"folder": "csv", "parts": ["train"]}, r"holds train\.csv: what can be read is \.txt, \.jsonl, \.parquet$"),
        ({"folder": "empty"}, r"/w: .*"),
    ]
    (root / "empty").mkdir()
    (root / "csv").mkdir()
    (root / "csv" / "train.csv").write_text("text\na\n")
    for chosen, message in cases:
        with pytest.raises(ValueError, match=message) as error:
            texts(Hub(str(root), **chosen))
        assert "\n" not in str(error.value)
    (root / "raw" / "train-00000-of-00002.parquet").unlink()
    with pytest.raises(ValueError, match=r"is not all there: 1 of 2 files like .*train-00001-of-00002\.parquet$"):
        texts(Hub(str(root), folder="raw", parts=["train"]))
    write(root / "raw" / "test-00000-of-00001.parquet", ["fine", None])
    with pytest.raises(ValueError, match=r"test-00000-of-00001\.parquet row 2: 'text' is null$"):
        texts(Hub(str(root), folder="raw", parts=["test"]))


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"revision must be a whole commit hash of a/b, 40 .*, got 'main'$"):
        Hub("a/b", "main")
    with pytest.raises(ValueError, match=r"rows must be documents or wikitext, got 'lines'$"):
        Hub("a/b", "0" * 40, rows="lines")


def test_a_changed_folder_is_noticed(tmp_path: Path):
    root = wikitext(tmp_path / "w")
    before = Hub(str(root), folder="lower", parts=["train"]).digest
    write(root / "lower" / "train-00000-of-00001.parquet", ["another text"])
    assert Hub(str(root), folder="lower", parts=["train"]).digest == digest(["another text"]) != before


@pytest.mark.parametrize("name", HUBS)
def test_what_is_shipped_is_pinned_and_says_what_it_is(name: str):
    text = (CONFIGS / f"{name}.yaml").read_text()
    init_args = yaml.safe_load(text)["init_args"]
    assert COMMIT.fullmatch(init_args["revision"])
    assert Hub(**init_args).fingerprint() == Hub(**init_args).fingerprint()
    comments = " ".join(line for line in text.splitlines() if line.startswith("#"))
    assert "MB" in comments or "GB" in comments
    assert any(licence in comments for licence in ("CC BY-SA", "CDLA", "Apache", "GFDL"))
    assert "split anew" in comments or "cut 70/10/20" in comments


def test_shipped_hub_corpora_are_all_here():
    assert HUBS == ["enwik8", "pg19", "tinystories", "wikitext-103-raw", "wikitext-2-raw"]


def in_hub_cache(hf_home: Path, repo: str, revision: str, root: Path) -> None:
    """Lay files out as the Hub's client does: blobs by hash, links to them by name."""
    place = hf_home / "hub" / f"datasets--{repo.replace('/', '--')}"
    for path in (path for path in root.rglob("*") if path.is_file()):
        blob = place / "blobs" / sha256(path.read_bytes()).hexdigest()
        link = place / "snapshots" / revision / path.relative_to(root)
        for folder in (blob.parent, link.parent, place / "refs"):
            folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, blob)
        link.symlink_to(os.path.relpath(blob, link.parent))
    (place / "refs" / "main").write_text("0" * 40)  # main has moved on


def offline(hf_home: Path, cache: Path, name: str) -> "subprocess.CompletedProcess[str]":
    code = f"""from benchmark.registry import entry, load_class
found = entry("corpora", {name!r})
corpus = load_class(found["class_path"])(**found["init_args"])
try:
    print(corpus.digest)
except ValueError as error:
    print(error)"""
    env = {**os.environ, "HF_HOME": str(hf_home), "HF_HUB_OFFLINE": "1", "SPANBENCH_CACHE": str(cache)}
    return subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env=env)


def test_a_shipped_corpus_comes_from_the_hubs_cache_without_a_network(tmp_path: Path, hub_cache: Path):
    revision = yaml.safe_load((CONFIGS / "wikitext-2-raw.yaml").read_text())["init_args"]["revision"]
    for part in ("train", "validation", "test"):
        write(tmp_path / "w" / "wikitext-2-raw-v1" / f"{part}-00000-of-00001.parquet", WIKI)
        write(tmp_path / "w" / "wikitext-103-raw-v1" / f"{part}-00000-of-00001.parquet", ["another"])
    in_hub_cache(hub_cache, "Salesforce/wikitext", revision, tmp_path / "w")
    found = offline(hub_cache, tmp_path / "cache", "wikitext-2-raw")
    assert (found.stdout, found.stderr) == (f"{digest([FIRST, SECOND])}\n", "")
    shutil.rmtree(hub_cache)  # from now on it lies in our own cache
    assert offline(hub_cache, tmp_path / "cache", "wikitext-2-raw").stdout == found.stdout


def test_what_cannot_be_fetched_says_how(tmp_path: Path, hub_cache: Path):
    found = offline(hub_cache, tmp_path / "cache", "tinystories")
    assert found.stderr == ""
    (line,) = found.stdout.splitlines()
    for words in (
        "roneneldan/TinyStories at f54c09fd23315a6f9c86f9dc80f725de7d8f9c64 could not be fetched",
        "hf download roneneldan/TinyStories --repo-type dataset --revision f54c09fd",
        "--include 'data/*'",
        "HF_HOME",
        "HF_HUB_OFFLINE=1",
    ):
        assert words in line
