"""The conformance suite: the contract of a driver and of the facade over it, as pytest classes.

A third party proves a driver with it::

    from cloudstore.testing import ConformanceSuite, Harness

    class MyHarness(Harness):
        def make_driver(self):
            return MyConfig(endpoint="http://127.0.0.1:9000", ...).create_driver()

    class TestMyVendor(ConformanceSuite):
        harness = MyHarness()

`harness` may also be a pytest fixture of that name, of any scope. Every test runs on `Store` and on
`AsyncStore`. Buckets have unique names, so the classes run side by side (pytest-xdist) and in accounts
that are used for other things. A test of a capability that a driver does not declare must end in
UnsupportedError: nothing is skipped.

Each line of the contract is at least one test; the files are its themes:

=============== ==========================================================================
`keys`          keys are exact or refused; reserved ones
`buckets`       the verbs of buckets, and what a missing one does to every verb
`objects`       sources, sizes, atomicity against failing sources, deletion, existence
`reading`       ranges, pieces, seek, verification, resuming, files
`metadata`      user metadata, our own names, headers, content types
`listing`       prefixes, delimiters, placeholders, order, pages, markers, start_after
`conditions`    conditional reads and writes, races, lost answers settled by write-ids
`copies`        copies and moves
`multipart`     uploads driven by the caller, references, stale uploads
`writers`       files that become objects
`transfers`     large files, in parts, resumed
`bulk`          many objects at a time
`folders`       folders uploaded, downloaded, made alike
`mirrors`       objects and whole buckets from one store to another
`checksums`     digests that the vendor verifies
`presigning`    presigned requests over real HTTP
`handles`       bucket handles with prefixes
`errors`        what errors say, 404s that do not tell, deadlines, unknown options
`capabilities`  every capability both ways
`administration` ACLs, tags, websites, versioning, lifecycle rules
`expiry`        objects that expire by the vendor, or by the store in its place
`concurrency`   many threads on one store, readers beside writers
`lifecycle`     closing, forks, event loops, cancellation, secrets
=============== ==========================================================================

Some lines need a network between store and vendor. They are proven on the wire, by the fault suite,
for each driver that sends requests, and not here: resets, stalls and the floor of bytes a second; the
deadlines for connecting and for the first byte; exact counts of retries, the budget, ``Retry-After``,
and that each attempt is signed anew; answers of 200 that hold an error; bodies that are delimited by
closing the connection; requests that were delivered and whose answer was cut; connections after a fork;
that the vendor verifies the checksum that every upload carries.

That the suite itself finds faults is shown by `cloudstore.testing.broken`.
"""

from __future__ import annotations

import pytest

_THEMES = (
    "keys",
    "buckets",
    "objects",
    "reading",
    "metadata",
    "listing",
    "conditions",
    "copies",
    "multipart",
    "writers",
    "transfers",
    "bulk",
    "folders",
    "mirrors",
    "checksums",
    "presigning",
    "handles",
    "errors",
    "capabilities",
    "administration",
    "expiry",
    "concurrency",
    "lifecycle",
)
# Before they are imported: a failing assertion then shows its values.
pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in ("base", *_THEMES)))

from .account import Account, Narrowed, RecordingDriver  # noqa: E402
from .administration import AdministrationTests  # noqa: E402
from .base import ConformanceTests, needs  # noqa: E402
from .buckets import BucketTests  # noqa: E402
from .bulk import BulkTests  # noqa: E402
from .capabilities import CapabilityTests  # noqa: E402
from .checksums import ChecksumTests  # noqa: E402
from .concurrency import ConcurrencyTests  # noqa: E402
from .conditions import ConditionTests  # noqa: E402
from .copies import CopyTests  # noqa: E402
from .errors import ErrorTests  # noqa: E402
from .expiry import ExpiryTests  # noqa: E402
from .folders import FolderTests  # noqa: E402
from .handles import HandleTests  # noqa: E402
from .harness import Harness  # noqa: E402
from .keys import KeyTests  # noqa: E402
from .lifecycle import LifecycleTests  # noqa: E402
from .listing import ListingTests  # noqa: E402
from .metadata import MetadataTests  # noqa: E402
from .mirrors import MirrorTests  # noqa: E402
from .multipart import MultipartTests  # noqa: E402
from .objects import ObjectTests  # noqa: E402
from .presigning import PresigningTests  # noqa: E402
from .reading import ReadingTests  # noqa: E402
from .transfers import TransferTests  # noqa: E402
from .weird_keys import WEIRD_KEYS  # noqa: E402
from .writers import WriterTests  # noqa: E402

__all__ = [
    "WEIRD_KEYS",
    "Account",
    "ConformanceSuite",
    "ConformanceTests",
    "Harness",
    "Narrowed",
    "RecordingDriver",
    "needs",
]


class ConformanceSuite(
    BucketTests,
    KeyTests,
    ObjectTests,
    ReadingTests,
    MetadataTests,
    ListingTests,
    ConditionTests,
    CopyTests,
    MultipartTests,
    WriterTests,
    TransferTests,
    BulkTests,
    FolderTests,
    MirrorTests,
    ChecksumTests,
    PresigningTests,
    HandleTests,
    ErrorTests,
    CapabilityTests,
    AdministrationTests,
    ExpiryTests,
    ConcurrencyTests,
    LifecycleTests,
):
    """The whole contract. Subclass it under a name that begins with ``Test``, with a `harness`."""
