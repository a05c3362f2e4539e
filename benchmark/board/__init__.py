"""The road to the leaderboard: official cells frozen, run, packed, scored again, run again."""
