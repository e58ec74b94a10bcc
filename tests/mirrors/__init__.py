"""Buckets of one vendor made like those of another, on real servers and the simulator."""
