"""The registry: one small YAML for every model, task, tokenizer, corpus and table."""
