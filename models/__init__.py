"""Architectures: (B, L, D) -> (B, L, D). They import torch, and nothing of ours but each other."""
