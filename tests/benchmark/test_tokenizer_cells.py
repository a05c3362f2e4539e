"""A cell whose tokenizer is a file: what the file says counts, not where it lies."""

import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from benchmark.cells import _task_of, build_task
from benchmark.options import cell_parser, make_cell
from leaderboard.cell import Cell


def tokenizer_file(path: Path, vocab: int) -> Path:
    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(  # pyright: ignore[reportAttributeAccessIssue]
        add_prefix_space=False
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab, initial_alphabet=alphabet, show_progress=False)
    model.train_from_iterator(["the old house by the sea, the old man and the sea"], trainer)
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(str(path))
    return path


def cell_with(tokenizer: Path, corpus: Path) -> Cell:
    words = ["--model", "rnn", "--task", "planted", "--tokenizer", f"file:{tokenizer}", "--corpus", f"files:{corpus}"]
    return make_cell(words, cell_parser())[0]


def test_the_id_follows_the_content_and_a_changed_file_is_refused(tmp_path: Path) -> None:
    corpus = tmp_path / "text.txt"
    corpus.write_text("the old man and the sea\n" * 2000)
    here = tokenizer_file(tmp_path / "a" / "tokenizer.json", 270)
    there = tmp_path / "b" / "moved.json"
    there.parent.mkdir()
    shutil.copy(here, there)
    other = tokenizer_file(tmp_path / "c" / "tokenizer.json", 265)
    first, moved, changed = (cell_with(path, corpus) for path in (here, there, other))
    assert first.id == moved.id != changed.id
    assert first.tokenizer is not None
    assert first.tokenizer.name == "file:a/tokenizer.json"
    shutil.copy(other, there)
    _task_of.cache_clear()  # as in another process
    with pytest.raises(ValueError, match="has changed since the cell was made"):
        build_task(moved)
