"""Everything after the record: schema, statistics, tables, plots. Nothing here imports torch."""
