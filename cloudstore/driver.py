"""The driver interface: what a vendor must say, and the effects by which it is said.

A driver (one per vendor, one file each) says WHAT to send and how to read the answer. It does no
I/O itself. Each operation is a *flow*: a generator that yields effects and gets their results,
and that returns the operation's result. A runner performs the effects: with threads, on asyncio, or
in a simulation. So one driver serves all three, and engines (redundancy, transfers) are flows over
the flows of drivers.

The effects are few on purpose:

========== =====================================================================================
`Request`   one HTTP exchange: signed anew for each attempt, retried, classified by its owner
`Recv`      fill a buffer from an open body
`Call`      a function: a file, an SDK's rare call, the caller's own source of data
`Sleep`     let time pass
`Gather`    run flows side by side and have all their results
`Race`      run flows side by side, started one after the other; the first success wins
`Spawn`     start a flow that goes on while this one does, and after it: a `Branch`
`Join`      wait until one of several branches has ended
`Once`      a value that is made once and shared: a token, a region
========== =====================================================================================

Time and chance come from the operation's `OpContext`, never from the system, so that a simulation
decides them. Whoever writes a driver reads `Driver` below and `docs/writing-a-driver.md`, and
proves it with `cloudstore.testing`.
"""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar

from .bodies import Body, Payload
from .capabilities import BucketNameRule, Capabilities, KeyRule, Limits
from .errors import CloudStoreError, ErrorKind, Outcome, UnsupportedError
from .events import Observer
from .model import (
    AccountInfo,
    BucketInfo,
    ByteRange,
    CompleteOptions,
    CopyOptions,
    DeleteOptions,
    GetOptions,
    LifecycleRule,
    ListOptions,
    ObjectInfo,
    Page,
    Part,
    PartPage,
    PresignedRequest,
    PresignOptions,
    PutOptions,
    PutResult,
    UploadPage,
    UploadRef,
)
from .policy import RetryPolicy
from .records import Record

__all__ = [
    "AllFailedError",
    "Branch",
    "Call",
    "Clock",
    "Driver",
    "Effect",
    "ErrorInfo",
    "Flow",
    "FlowCancelled",
    "Gather",
    "GetResult",
    "Join",
    "Once",
    "OnceValue",
    "OpContext",
    "Race",
    "Recv",
    "Request",
    "Response",
    "Sleep",
    "Spawn",
    "Stream",
    "SystemClock",
]

T = TypeVar("T")
CLEANUP_SECONDS = 30.0
"""How long an operation that failed may take to undo what it began (to abort an upload)."""


# --- effects --------------------------------------------------------------------------------------


class Effect:
    """Base of what a flow may yield."""

    __slots__ = ()


Flow: TypeAlias = Generator[Effect, Any, T]
"""A generator that yields effects and returns a T."""


class FlowCancelled(BaseException):
    """Thrown into a flow that is no longer wanted, at the effect where it waits.

    It is thrown once: effects in ``finally`` are performed. It is no `Exception`, so that
    ``except Exception`` does not swallow it.
    """


class AllFailedError(Exception):
    """No flow of a `Race` succeeded.

    Attributes:
        errors: one per flow, in the flows' order.
    """

    def __init__(self, errors: Sequence[Exception]) -> None:
        super().__init__(f"all {len(errors)} flows failed: {errors!r}")
        self.errors = list(errors)


class Request(Effect):
    """One HTTP exchange, unsigned. The result is a `Response` of a status that `owner` accepts.

    For each attempt the runtime asks ``owner.credentials``, then ``owner.authorize``, sends, and asks
    ``owner.classify`` what the answer (or the failure) means; it retries by ``ctx.retry``.

    Attributes:
        owner: the driver whose request this is.
        ctx: the operation it belongs to; an engine may give a child a shorter deadline by its own.
        method: in upper case.
        origin: ``scheme://host[:port]``.
        path, query: raw, sent as they are; `query` without the ``?``.
        headers: unsigned, names in lower case.
        payload: the body, or None.
        idempotent: whether it may be sent again when nobody knows if the first was applied.
        buffered: the whole answer is read before `classify` sees it (XML, JSON); else only that
            of an error status, and a success's body is left open in ``response.body``.
    """

    __slots__ = (
        "buffered",
        "ctx",
        "headers",
        "idempotent",
        "method",
        "origin",
        "owner",
        "path",
        "payload",
        "query",
    )

    def __init__(
        self,
        owner: Driver,
        ctx: OpContext,
        method: str,
        origin: str,
        path: str,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        payload: Payload | None = None,
        *,
        idempotent: bool = True,
        buffered: bool = True,
    ) -> None:
        self.owner = owner
        self.ctx = ctx
        self.method = method
        self.origin = origin
        self.path = path
        self.query = query
        self.headers: Mapping[str, str] = headers if headers is not None else {}
        self.payload = payload
        self.idempotent = idempotent
        self.buffered = buffered


@dataclass(slots=True, repr=False, eq=False)
class Response(Record):
    """An HTTP answer.

    Attributes:
        headers: names in lower case; of a repeated header, the values joined by ``", "``.
        body: open, or None where `content` holds everything.
        content: the whole body where it was buffered, else ``b""``.
    """

    status: int
    headers: Mapping[str, str]
    body: Body | None = None
    content: bytes = b""


class Stream(Protocol):
    """What a transport's open body reads from. The runner that opened it knows how to wait for it."""

    def close(self) -> None:
        """Gives the connection up at once."""


class Recv(Effect):
    """Fill some of `buffer` from an open stream; the result is how much, 0 at the end."""

    __slots__ = ("buffer", "stream")

    def __init__(self, stream: Stream, buffer: memoryview) -> None:
        self.stream = stream
        self.buffer = buffer


class Call(Effect):
    """Call a function; the result is what it returns.

    Attributes:
        owner: the driver that classifies what it raises, or None: then it is raised unchanged.
        blocking: whether it may wait for a disk or a network; the asyncio runner then uses a thread.
            The result of one that does not block is awaited there if it is awaitable, which is how
            an asynchronous source of data is read.
        idempotent: whether it may be called again after a failure that its owner calls retryable.

    Where the flow is cancelled while the function runs, it runs to its end; nobody gets what it
    returns, which is closed if it has a `close`.
    """

    __slots__ = ("args", "blocking", "ctx", "function", "idempotent", "owner")

    def __init__(
        self,
        owner: Driver | None,
        ctx: OpContext,
        function: Callable[..., Any],
        *args: Any,
        blocking: bool = True,
        idempotent: bool = False,
    ) -> None:
        self.owner = owner
        self.ctx = ctx
        self.function = function
        self.args = args
        self.blocking = blocking
        self.idempotent = idempotent


class Sleep(Effect):
    """Let `seconds` pass; the result is None."""

    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Gather(Effect):
    """Run flows side by side; the result is the list of their results, in their order.

    Attributes:
        flows: taken as they can be started, so it may be a lazy generator.
        limit: how many run at a time; None is all.
        fail_fast: the first error cancels the others and is raised once all have ended; else
            errors (never cancellations) stand in the list in the place of results.
    """

    __slots__ = ("fail_fast", "flows", "limit")

    def __init__(
        self, flows: Iterable[Flow[Any]], *, limit: int | None = None, fail_fast: bool = True
    ) -> None:
        self.flows = flows
        self.limit = limit
        self.fail_fast = fail_fast


class Race(Effect):
    """Run flows side by side; the result is the first success.

    A flow is started `stagger` seconds after the one before, or as soon as all that run have
    failed. Losers are cancelled and not waited for.

    Attributes:
        discard: called with the result of a flow that succeeds too late, to close it.

    Raises (into the flow):
        AllFailedError: none succeeded.
    """

    __slots__ = ("discard", "flows", "stagger")

    def __init__(
        self,
        flows: Sequence[Flow[Any]],
        stagger: float,
        discard: Callable[[Any], None] | None = None,
    ) -> None:
        self.flows = flows
        self.stagger = stagger
        self.discard = discard


class Branch(ABC):
    """A flow that was started by `Spawn`, on the runner that started it.

    It may outlive the flow that started it, and the operation: a writer's parts are on their way
    while its user makes the next. Whoever holds it joins it, after `cancel` where it is not wanted
    any more; an error that nobody asks for is lost.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def done(self) -> bool:
        """Whether it has ended."""

    @abstractmethod
    def result(self) -> Any:
        """Of one that is done: what the flow returned; raises what it raised."""

    @abstractmethod
    def cancel(self) -> None:
        """Has `FlowCancelled` thrown where it waits; does not wait for its end."""


class Spawn(Effect):
    """Start `flow`; the result is its `Branch`, at once."""

    __slots__ = ("flow",)

    def __init__(self, flow: Flow[Any]) -> None:
        self.flow = flow


class Join(Effect):
    """Wait until at least one of `branches`, of which there is one at least, is done.

    The result is None: what became of each, the branches say.
    """

    __slots__ = ("branches",)

    def __init__(self, branches: Sequence[Branch]) -> None:
        self.branches = branches


@dataclass(slots=True)
class OnceValue(Generic[T]):
    """What the flow of a `Once` returns.

    Attributes:
        lifetime: seconds until it is made anew; None is for ever.
    """

    value: T
    lifetime: float | None = None


class Once(Effect):
    """A value shared by all operations of a store, made by one of them while the others wait.

    Its failure is theirs, too; only where its own time was up, one of them makes it instead.

    Attributes:
        key: names it among its owner's.
        make: returns the flow that makes it, an `OnceValue`.
        stale: a value that was found to be no good (a token answered by 401): if the cell still
            holds this very object it is made anew, by one; else the newer one is the result.
    """

    __slots__ = ("ctx", "key", "make", "owner", "stale")

    def __init__(
        self,
        owner: Driver,
        ctx: OpContext,
        key: str,
        make: Callable[[], Flow[OnceValue[Any]]],
        *,
        stale: object = None,
    ) -> None:
        self.owner = owner
        self.ctx = ctx
        self.key = key
        self.make = make
        self.stale = stale


# --- the operation's context ----------------------------------------------------------------------


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> float:
        """Seconds since 1970, for dates and signatures."""

    def monotonic(self) -> float:
        """Seconds that never go back, for deadlines."""


class SystemClock:
    """The machine's clocks."""

    __slots__ = ()
    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


class OpContext:
    """What one operation of the facade carries through every flow that it is made of.

    It is never changed once made; `with_` makes another.

    Attributes:
        operation, bucket, key: for errors and events.
        deadline: on ``clock.monotonic()``, or None.
        retry: how often, how long, and by which budget to try again.
        observer: is told events, or None.
        clock, random: the only source of time and chance for a flow.
    """

    __slots__ = (
        "bucket",
        "clock",
        "deadline",
        "key",
        "observer",
        "operation",
        "random",
        "retry",
    )

    def __init__(
        self,
        operation: str,
        bucket: str | None,
        key: str | None,
        deadline: float | None,
        retry: RetryPolicy,
        observer: Observer | None,
        clock: Clock,
        random: random.Random,
    ) -> None:
        self.operation = operation
        self.bucket = bucket
        self.key = key
        self.deadline = deadline
        self.retry = retry
        self.observer = observer
        self.clock = clock
        self.random = random

    def with_(self, *, deadline: float | None = None, retry: RetryPolicy | None = None) -> OpContext:
        """The same operation with a deadline that is no later, or another retry policy."""
        if self.deadline is not None:
            deadline = self.deadline if deadline is None else min(deadline, self.deadline)
        return OpContext(
            self.operation,
            self.bucket,
            self.key,
            deadline,
            retry or self.retry,
            self.observer,
            self.clock,
            self.random,
        )

    def for_cleanup(self) -> OpContext:
        """The same operation once it has failed, perhaps by its deadline: a short time of its own."""
        return OpContext(
            self.operation,
            self.bucket,
            self.key,
            self.clock.monotonic() + CLEANUP_SECONDS,
            self.retry,
            self.observer,
            self.clock,
            self.random,
        )


# --- what a driver says ---------------------------------------------------------------------------


@dataclass(slots=True, repr=False, eq=False)
class ErrorInfo(Record):
    """What a failed answer, or a failure to get one, means.

    Attributes:
        kind: which error of the tree.
        retryable: whether the same request may work later.
        retry_after: seconds that the vendor asks to wait, or None.
        outcome: whether the request may have been applied all the same. The runtime sets it to
            ``"not_applied"`` for requests that only read.
        rejected_credentials: the credentials are no good any more (401): the next attempt asks
            ``credentials`` for others.
    """

    kind: ErrorKind
    message: str = ""
    retryable: bool = False
    retry_after: float | None = None
    outcome: Outcome = "not_applied"
    status: int | None = None
    code: str | None = None
    request_id: str | None = None
    rejected_credentials: bool = False


@dataclass(slots=True, repr=False, eq=False)
class GetResult(Record):
    """An object's head, and its body still to be read.

    Attributes:
        start, end: which bytes of the object the body holds: ``[start, end)``.
    """

    info: ObjectInfo
    body: Body
    start: int
    end: int

    def close(self) -> None:
        """Closes the body."""
        self.body.close()


class Driver(ABC):
    """One vendor, one account. The facade and the engines call it; users do not.

    A driver holds no threads, no clock, no randomness, and does not retry. What it keeps between
    operations is in `Once` cells. It may be used by any number of threads and event loops.

    **What it may assume** (the facade has checked): bucket names satisfy `bucket_name_rule`, keys
    satisfy `key_rule`; no option is set whose capability is False; metadata names are lower case and
    of allowed characters, values without control characters, all within `limits`; ranges are
    well-formed; part numbers are within 1 and ``limits.max_parts``; sizes are within `limits`.

    **What it must do**: send keys byte-exact; raise only errors of the tree, or have `classify` make
    them; write atomically (readers see the old object or the new one, never a part of it); leave
    nothing behind where a write fails; report every failure.

    Attributes:
        scheme: the vendor's name in errors, in `vendor_options` and in a mapping's ``provider``.
        endpoint: names the service in events and keys the retry budget; holds no secret.
        vendor_options: per scheme, the option names that ``vendor_options=`` may hold.
        allowed_by: for capabilities that are not declared and that the user may allow, how.
        max_request_age: seconds until which a request, once signed, can still be accepted by the
            vendor; None where that is unbounded. Redundancy needs it.
    """

    scheme: ClassVar[str]
    capabilities: Capabilities
    limits: Limits
    key_rule: KeyRule
    bucket_name_rule: BucketNameRule
    endpoint: str = ""
    vendor_options: Mapping[str, frozenset[str]]
    allowed_by: Mapping[str, str] = MappingProxyType({})
    max_request_age: float | None = None

    # --- account ---

    @abstractmethod
    def discover(self, ctx: OpContext) -> Flow[None]:
        """Asks the vendor what it can do, through `Once`; may only narrow what is declared.

        It runs before the first operation. Without anything to ask it yields nothing.
        """

    @abstractmethod
    def credentials(self, ctx: OpContext, rejected: object) -> Flow[object]:
        """What `authorize` signs with; `rejected` is what the vendor just refused, or None.

        What it raises ends the operation: what it asked for was tried as often as the policy says.
        """

    @abstractmethod
    def authorize(self, request: Request, credentials: Any, now: float) -> Mapping[str, str]:
        """All headers to send, signed for `now` (seconds since 1970). Pure."""

    @abstractmethod
    def classify(self, request: Request | Call, failure: Response | Exception) -> ErrorInfo | None:
        """What an answer or an exception means; None: an answer that is a success, or an exception
        that is not the vendor's and is raised unchanged. Pure."""

    @property
    @abstractmethod
    def native(self) -> Any:
        """The vendor's own SDK client, or what is nearest to it; documented per driver."""

    @abstractmethod
    def close(self) -> None:
        """Gives up what the driver holds; any number of times."""

    # --- buckets ---

    @abstractmethod
    def create_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """Creates a bucket.

        Raises:
            BucketAlreadyExistsError: it is there already, whoever owns it.
        """

    @abstractmethod
    def delete_bucket(self, ctx: OpContext, bucket: str) -> Flow[None]:
        """Deletes an empty bucket.

        Raises:
            BucketNotFoundError, BucketNotEmptyError
        """

    @abstractmethod
    def head_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """Describes a bucket.

        Raises:
            BucketNotFoundError
        """

    @abstractmethod
    def list_buckets(self, ctx: OpContext) -> Flow[list[BucketInfo]]:
        """All buckets of the account, by name."""

    # --- objects ---

    @abstractmethod
    def put_object(
        self, ctx: OpContext, bucket: str, key: str, payload: Payload, options: PutOptions
    ) -> Flow[PutResult]:
        """Writes an object whole, replacing what is there.

        Raises:
            BucketNotFoundError
            ObjectAlreadyExistsError: ``if_absent`` and there is one.
            PreconditionFailedError: ``if_match`` does not hold; also where there is no object.
            ChecksumMismatchError: a digest of ``options.checksums`` is not that of the payload.
        """

    @abstractmethod
    def get_object(self, ctx: OpContext, bucket: str, key: str, options: GetOptions) -> Flow[GetResult]:
        """Opens an object; returns when its head is in.

        Raises:
            NotFoundError: or, where the vendor says which, Bucket- or ObjectNotFoundError.
            PreconditionFailedError, NotModifiedError, RangeNotSatisfiableError
        """

    @abstractmethod
    def head_object(
        self, ctx: OpContext, bucket: str, key: str, options: GetOptions
    ) -> Flow[ObjectInfo]:
        """Describes an object; ``options.range`` is whole. Errors as `get_object`."""

    @abstractmethod
    def delete_object(
        self, ctx: OpContext, bucket: str, key: str, options: DeleteOptions
    ) -> Flow[None]:
        """Deletes an object; a missing one is no error, a missing bucket is.

        A vendor whose answer does not tell the two apart raises NotFoundError: the facade looks.

        Raises:
            NotFoundError, BucketNotFoundError
            PreconditionFailedError: ``if_match`` does not hold; also where there is no object.
        """

    @abstractmethod
    def copy_object(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        to_bucket: str,
        to_key: str,
        options: CopyOptions,
    ) -> Flow[PutResult]:
        """Copies on the vendor's side; errors as `get_object` and `put_object`."""

    @abstractmethod
    def list_page(self, ctx: OpContext, bucket: str, options: ListOptions) -> Flow[Page]:
        """One request's worth of a listing, undropped, keys exact.

        Raises:
            BucketNotFoundError
            InvalidArgumentError: the token is not one of this listing.
        """

    # --- multipart ---

    @abstractmethod
    def create_multipart(
        self, ctx: OpContext, bucket: str, key: str, options: PutOptions
    ) -> Flow[UploadRef]:
        """Begins a multipart upload. Conditions do not come here but with the completion."""

    @abstractmethod
    def upload_part(self, ctx: OpContext, ref: UploadRef, number: int, payload: Payload) -> Flow[Part]:
        """Uploads a part; the same number again replaces it.

        Raises:
            UploadNotFoundError
        """

    @abstractmethod
    def complete_multipart(
        self, ctx: OpContext, ref: UploadRef, parts: Sequence[Part], options: CompleteOptions
    ) -> Flow[PutResult]:
        """Makes the object of the parts, in ascending order of their numbers, at least one.

        Raises:
            UploadNotFoundError
            InvalidPartError: a part is missing, is another than its ETag says, or is too small.
            ObjectAlreadyExistsError, PreconditionFailedError
        """

    @abstractmethod
    def abort_multipart(self, ctx: OpContext, ref: UploadRef) -> Flow[None]:
        """Forgets an upload and its parts.

        Raises:
            UploadNotFoundError
        """

    @abstractmethod
    def list_parts(self, ctx: OpContext, ref: UploadRef, token: str | None) -> Flow[PartPage]:
        """A page of the parts uploaded so far.

        Raises:
            UploadNotFoundError
        """

    @abstractmethod
    def list_uploads(
        self, ctx: OpContext, bucket: str, prefix: str, token: str | None
    ) -> Flow[UploadPage]:
        """A page of the uploads under way, by key.

        Raises:
            BucketNotFoundError
        """

    def part_size(self, ctx: OpContext, bucket: str, key: str, info: ObjectInfo) -> Flow[int | None]:
        """The size of all parts but the last of an object that is stored in parts of one size.

        A copy into another store is cut by it. Where it is wrong that is all that differs, so it may
        rest on what is likely. It costs no request of an object that is known to be in one piece.

        Args:
            info: of the object, as a read has shown it.

        Returns:
            None: it is not stored so, or nobody can tell.

        Raises:
            CloudStoreError: any; it counts as None.
        """
        yield from ()
        return None

    # --- optional: each gated by the capability of its name ---

    def delete_objects(
        self, ctx: OpContext, bucket: str, keys: Sequence[str]
    ) -> Flow[dict[str, CloudStoreError]]:
        """Deletes up to ``limits.delete_batch`` objects; returns the keys that failed, and why."""
        raise self._unsupported("delete_objects")

    def update_metadata(
        self,
        ctx: OpContext,
        bucket: str,
        key: str,
        metadata: Mapping[str, str],
        if_match: str | None,
    ) -> Flow[PutResult]:
        """Replaces the whole user metadata in place; everything else of the object stays."""
        raise self._unsupported("update_metadata")

    def copy_part(
        self,
        ctx: OpContext,
        ref: UploadRef,
        number: int,
        bucket: str,
        key: str,
        range: ByteRange,
        source_if_match: str | None,
    ) -> Flow[Part]:
        """Uploads a part from an object on the vendor's side."""
        raise self._unsupported("copy_part")

    def presign(
        self, ctx: OpContext, bucket: str, key: str, options: PresignOptions
    ) -> Flow[PresignedRequest]:
        """Signs a request for somebody else to send; gated by ``presign_get`` and its sisters."""
        raise self._unsupported("presign")

    def get_account(self, ctx: OpContext) -> Flow[AccountInfo]:
        """Describes the account."""
        raise self._unsupported("account")

    def update_account_metadata(self, ctx: OpContext, changes: Mapping[str, str | None]) -> Flow[None]:
        """Sets the names given, and removes those whose value is None; others stay."""
        raise self._unsupported("account_metadata")

    def update_bucket_metadata(
        self, ctx: OpContext, bucket: str, changes: Mapping[str, str | None]
    ) -> Flow[None]:
        """Sets the names given, and removes those whose value is None; others stay.

        Raises:
            BucketNotFoundError
        """
        raise self._unsupported("bucket_metadata")

    def get_acl(self, ctx: OpContext, bucket: str, key: str | None) -> Flow[str]:
        """The canned ACL of a bucket or, gated by ``object_acl``, of an object: ``"private"``,
        ``"public-read"``, …; ``"custom"`` where its grants are those of no canned one.

        Raises:
            NotFoundError: or, where the vendor says which, Bucket- or ObjectNotFoundError.
        """
        raise self._unsupported("acl")

    def set_acl(self, ctx: OpContext, bucket: str, key: str | None, acl: str) -> Flow[None]:
        """Sets a canned ACL; errors as `get_acl`.

        Raises:
            InvalidArgumentError: the vendor has no ACL of this name.
        """
        raise self._unsupported("acl")

    def get_tags(self, ctx: OpContext, bucket: str, key: str) -> Flow[dict[str, str]]:
        """The tags of an object.

        Raises:
            NotFoundError: or, where the vendor says which, Bucket- or ObjectNotFoundError.
        """
        raise self._unsupported("tags")

    def set_tags(self, ctx: OpContext, bucket: str, key: str, tags: Mapping[str, str]) -> Flow[None]:
        """Puts `tags` in the place of all that an object has; errors as `get_tags`."""
        raise self._unsupported("tags")

    def set_website(
        self, ctx: OpContext, bucket: str, index: str | None, error: str | None
    ) -> Flow[None]:
        """Serves the bucket as a static website; `index` None stops that.

        Raises:
            BucketNotFoundError
        """
        raise self._unsupported("website")

    def get_versioning(self, ctx: OpContext, bucket: str) -> Flow[bool]:
        """Whether the bucket keeps what is overwritten and deleted.

        Raises:
            BucketNotFoundError
        """
        raise self._unsupported("versioning")

    def set_versioning(self, ctx: OpContext, bucket: str, enabled: bool) -> Flow[None]:
        """Has the bucket keep it from now on, or no longer; versions that are there stay.

        Raises:
            BucketNotFoundError
        """
        raise self._unsupported("versioning")

    def get_lifecycle(self, ctx: OpContext, bucket: str) -> Flow[list[LifecycleRule]]:
        """All lifecycle rules; one that the record cannot say is in its ``vendor_rule``, whole.

        Raises:
            BucketNotFoundError
        """
        raise self._unsupported("lifecycle")

    def set_lifecycle(self, ctx: OpContext, bucket: str, rules: Sequence[LifecycleRule]) -> Flow[None]:
        """Puts `rules` in the place of all that the bucket has.

        Raises:
            BucketNotFoundError
            UnsupportedError: the vendor cannot do what one of them says; nothing was changed.
        """
        raise self._unsupported("lifecycle")

    def purge_cdn(self, ctx: OpContext, urls: Sequence[str]) -> Flow[None]:
        """Asks the vendor's CDN to forget URLs."""
        raise self._unsupported("cdn")

    def prefetch_cdn(self, ctx: OpContext, urls: Sequence[str]) -> Flow[None]:
        """Asks the vendor's CDN to fetch URLs before anybody asks for them."""
        raise self._unsupported("cdn_prefetch")

    def _unsupported(self, feature: str) -> UnsupportedError:
        return UnsupportedError(f"{self.scheme} has no {feature}", vendor=self.scheme)
