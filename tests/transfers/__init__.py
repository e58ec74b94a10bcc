"""Large transfers by processes of their own: their memory, and what is left when they are killed.

The tests run a small version; ``python -m tests.transfers`` runs one of any size.
"""
