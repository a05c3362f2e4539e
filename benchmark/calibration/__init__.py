"""Calibration: frozen systems whose span is known, taken through the real tasks, measures, records and statistics."""
