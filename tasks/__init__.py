"""LightningDataModules: synthetic memory tasks, corpora, tokenizers and tasks on text."""
