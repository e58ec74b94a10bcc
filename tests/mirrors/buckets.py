"""Buckets of tests that are gone with their test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cloudstore import Config, Store

__all__ = ["bucket_of"]


@contextmanager
def bucket_of(config: Config, name: str) -> Iterator[Store]:
    with Store(config) as store:
        store.create_bucket(name)
        try:
            yield store
        finally:
            store.delete_bucket(name, force=True)
