"""Everything up to the record: configure, train, measure."""
