"""What was submitted is data: read strictly, held against the suite, and nothing of it is run."""
