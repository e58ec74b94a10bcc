"""One small interface over every object store.

Swapping the vendor is a change of configuration, never of code::

    from cloudstore import StoreFactory

    store = StoreFactory.create("file:///var/data")
    store.create_bucket("bukaopu")
    store.create_object("bukaopu", "hello", "hello, world !!!")
    store.get_object("bukaopu", "hello").read()

Importing this imports no vendor's SDK, no asyncio and no TLS; `AsyncStore` is loaded when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .bucket import AsyncBucket, Bucket
from .capabilities import Capabilities, KeyRule, Limits
from .config import Config, Secret
from .errors import (
    AlreadyExistsError,
    AuthenticationError,
    BucketAlreadyExistsError,
    BucketNotEmptyError,
    BucketNotFoundError,
    ChecksumMismatchError,
    CloudStoreError,
    ConfigError,
    DeadlineExceededError,
    ErrorKind,
    InvalidArgumentError,
    InvalidBucketNameError,
    InvalidKeyError,
    InvalidPartError,
    JobCancelledError,
    LocalFileError,
    MissingDependencyError,
    NotFoundError,
    NotModifiedError,
    ObjectAlreadyExistsError,
    ObjectArchivedError,
    ObjectNotFoundError,
    PartialFailureError,
    PermissionDeniedError,
    PreconditionFailedError,
    QuotaExceededError,
    RangeNotSatisfiableError,
    RateLimitedError,
    ReplicationError,
    StoreClosedError,
    TooLargeError,
    TransportError,
    UnavailableError,
    UnexpectedResponseError,
    UnsupportedError,
    UploadNotFoundError,
)
from .events import Event
from .factory import StoreFactory
from .model import (
    AccountInfo,
    CommonPrefix,
    LifecycleRule,
    Part,
    PresignedRequest,
    PutResult,
    UploadInfo,
    UploadRef,
)
from .multipart import AsyncMultipartUpload, MultipartUpload
from .object import AsyncObject, Object, ObjectList
from .policy import RetryPolicy, Timeouts, TransferConfig
from .store import Store
from .transfer.bulk import BulkResult
from .transfer.sync_plan import SyncAction, SyncSummary
from .writer import AsyncObjectWriter, ObjectWriter

if TYPE_CHECKING:
    from .aio import AsyncStore
    from .providers.local import LocalConfig
    from .providers.memory import MemoryConfig
    from .providers.qiniu import QiniuConfig
    from .providers.s3 import S3Config
    from .providers.swift import SwiftConfig
    from .transfer.job import AsyncJob, Job, JobProgress

__all__ = [
    "AccountInfo",
    "AlreadyExistsError",
    "AsyncBucket",
    "AsyncJob",
    "AsyncMultipartUpload",
    "AsyncObject",
    "AsyncObjectWriter",
    "AsyncStore",
    "AuthenticationError",
    "Bucket",
    "BucketAlreadyExistsError",
    "BucketNotEmptyError",
    "BucketNotFoundError",
    "BulkResult",
    "Capabilities",
    "ChecksumMismatchError",
    "CloudStoreError",
    "CommonPrefix",
    "Config",
    "ConfigError",
    "DeadlineExceededError",
    "ErrorKind",
    "Event",
    "InvalidArgumentError",
    "InvalidBucketNameError",
    "InvalidKeyError",
    "InvalidPartError",
    "Job",
    "JobCancelledError",
    "JobProgress",
    "KeyRule",
    "LifecycleRule",
    "Limits",
    "LocalConfig",
    "LocalFileError",
    "MemoryConfig",
    "MissingDependencyError",
    "MultipartUpload",
    "NotFoundError",
    "NotModifiedError",
    "Object",
    "ObjectAlreadyExistsError",
    "ObjectArchivedError",
    "ObjectList",
    "ObjectNotFoundError",
    "ObjectWriter",
    "Part",
    "PartialFailureError",
    "PermissionDeniedError",
    "PreconditionFailedError",
    "PresignedRequest",
    "PutResult",
    "QiniuConfig",
    "QuotaExceededError",
    "RangeNotSatisfiableError",
    "RateLimitedError",
    "ReplicationError",
    "RetryPolicy",
    "S3Config",
    "Secret",
    "Store",
    "StoreClosedError",
    "StoreFactory",
    "SwiftConfig",
    "SyncAction",
    "SyncSummary",
    "Timeouts",
    "TooLargeError",
    "TransferConfig",
    "TransportError",
    "UnavailableError",
    "UnexpectedResponseError",
    "UnsupportedError",
    "UploadInfo",
    "UploadNotFoundError",
    "UploadRef",
]

__version__ = "0.1.0"

_LAZY = {
    "AsyncJob": "cloudstore.transfer.job",
    "AsyncStore": "cloudstore.aio",
    "Job": "cloudstore.transfer.job",
    "JobProgress": "cloudstore.transfer.job",
    "LocalConfig": "cloudstore.providers.local",
    "MemoryConfig": "cloudstore.providers.memory",
    "QiniuConfig": "cloudstore.providers.qiniu",
    "S3Config": "cloudstore.providers.s3",
    "SwiftConfig": "cloudstore.providers.swift",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'cloudstore' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
