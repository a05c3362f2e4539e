"""Measures: each takes a trained module and a task, and yields a curve of sums by lag."""
