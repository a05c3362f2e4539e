"""What records say: spans, curves and shapes, with intervals and tests. No tables, no figures."""
