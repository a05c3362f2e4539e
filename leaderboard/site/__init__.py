"""The leaderboard page: a static site from submissions alone, that asks the network for nothing."""
