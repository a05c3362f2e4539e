"""Models at several granularities of one text: what was found, and what cannot be concluded."""
