"""From submissions to boards: scores, rank intervals, tiers."""
