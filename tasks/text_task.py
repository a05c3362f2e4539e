"""What all tasks on text have in common."""

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from tasks.base import Batch, Split, Task
from tasks.corpora import Corpus
from tasks.feeds import SPLITS
from tasks.token_arrays import TokenArray, token_array
from tasks.tokenizers import Tokenizer


class TextTask(Task):
    """A task whose inputs are the tokens of a corpus."""

    encoded: ClassVar[tuple[Split, ...]] = ("test",)  # the splits that are needed as ids, whole: κ is the test split's

    def __init__(self, corpus: Corpus, tokenizer: Tokenizer) -> None:
        super().__init__()
        tokenizer.fit(corpus)
        self.corpus, self.tokenizer = corpus, tokenizer
        self._tokens: dict[Split, TokenArray] = {}

    def tokens(self, split: Split, progress: Callable[[float], None] | None = None) -> TokenArray:
        """A split as ids, memory-mapped; `progress` is told the share encoded, where it is not cached."""
        if split not in self._tokens:
            self._tokens[split] = token_array(self.corpus, self.tokenizer, split, progress)
        return self._tokens[split]

    def written(self, row: Tensor) -> list[str]:
        """Each token's text, blanks made visible."""
        return self.tokenizer.shown(row.tolist())

    def source_at(self, batch: Batch) -> Tensor:
        """On text a lag ends where the answer would begin, one token after the last input."""
        return super().source_at(batch) + 1

    def alike(self, sources: Tensor) -> Tensor:
        """Those of as many bytes."""
        n_bytes = torch.from_numpy(self.tokenizer.lengths)[sources]
        return n_bytes[:, None] == n_bytes[None]

    @property
    def bytes_per_token(self) -> float:
        """κ: bytes per token on the test split."""
        tokens = self.tokens("test")
        return tokens.n_bytes / len(tokens.ids)

    @property
    def tokenizer_digest(self) -> str:
        """The sha256 of what defines the ids."""
        return self.tokenizer.digest

    @property
    def splits(self) -> dict[str, tuple[str, int, int]]:
        """Of each split of the text: its sha256, its documents, its bytes."""
        corpus = self.corpus
        return {name: (corpus.split_digest(name), corpus.n_documents(name), corpus.n_bytes(name)) for name in SPLITS}
