"""How processes that share one PostgreSQL divide the work: who is there, and who may do what."""
