"""``make soak``: mixed operations of many threads and tasks, over connections that break, against an
exact model. Start reading at `workers` (what is done) and `models` (what must come of it)."""
