"""How cells find a process to run in: the queue that several tables may share, a local pool, a Ray cluster."""
