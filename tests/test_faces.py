"""The faces hold together: the same verbs, the same arguments, for threads and for asyncio."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from cloudstore import Bucket, MultipartUpload, Object, ObjectWriter, Store
from cloudstore.aio import AsyncStore
from cloudstore.bucket import AsyncBucket
from cloudstore.multipart import AsyncMultipartUpload
from cloudstore.object import AsyncObject
from cloudstore.writer import AsyncObjectWriter

PAIRS = [
    (Store, AsyncStore),
    (Bucket, AsyncBucket),
    (Object, AsyncObject),
    (MultipartUpload, AsyncMultipartUpload),
]
ONLY_FOR_THREADS = {(Object, "open")}
"""An `io.BufferedReader` cannot be awaited."""

ON_THE_STORE_ONLY = {
    "get_all_buckets",
    "get_bucket",
    "resume_multipart_upload",
    "get_account",
    "set_account_metadata",
    "purge_cdn",
    "prefetch_cdn",
    "capabilities",
    "require",
    "native",
    "close",
    "create",
    "from_profile",
}
MAY_STAY = {"copy_object", "copy_objects", "move_object"}
"""Of a handle they need no target's bucket."""

RENAMED = {"create_bucket": "create", "delete_bucket": "delete", "bucket_exists": "exists"}


def public(cls: type) -> dict[str, Any]:
    return {n: getattr(cls, n) for n in dir(cls) if not n.startswith("_")}


def shape(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    """Names, kinds and defaults of the arguments."""
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize(("sync", "asynchronous"), PAIRS)
def test_the_asyncio_face_has_the_same_verbs_with_the_same_arguments(
    sync: type, asynchronous: type
) -> None:
    names = {name for name in public(sync) if (sync, name) not in ONLY_FOR_THREADS}
    assert names == set(public(asynchronous))
    for name in names:
        mine, other = inspect.getattr_static(sync, name), inspect.getattr_static(asynchronous, name)
        if isinstance(mine, property):
            assert isinstance(other, property), name
        elif callable(mine):
            assert shape(mine) == shape(other), name


def test_a_writer_has_the_same_verbs() -> None:
    own = {name for name in vars(ObjectWriter) if not name.startswith("_")}
    assert {"write", "tell", "close", "abort"} <= own
    for name in ("write", "tell", "close", "abort"):
        assert shape(getattr(ObjectWriter, name)) == shape(getattr(AsyncObjectWriter, name))


@pytest.mark.parametrize(("store", "bucket"), [(Store, Bucket), (AsyncStore, AsyncBucket)])
def test_a_bucket_has_the_stores_verbs_without_their_first_argument(store: type, bucket: type) -> None:
    verbs = {name for name, value in public(store).items() if callable(value)}
    expected = {RENAMED.get(name, name) for name in verbs - ON_THE_STORE_ONLY}
    assert expected <= set(public(bucket))
    for name in verbs - ON_THE_STORE_ONLY - {"bucket", *MAY_STAY}:
        mine = shape(getattr(store, name))
        assert mine[1][0] in ("bucket",), name
        assert shape(getattr(bucket, RENAMED.get(name, name))) == [mine[0], *mine[2:]], name
