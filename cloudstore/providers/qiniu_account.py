"""The account's half of the ``qiniu`` driver: who signs, where to ask, buckets, access, CDN, the SDK.

Everything here goes over our wire. The SDK's functions share one session of the process, whose
timeouts and retries only ``qiniu.config.set_default`` changes, and write a file where they look a
region up; so the SDK is loaded for `native` alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..bodies import BytesPayload, Payload
from ..config import Secret
from ..driver import Call, Driver, ErrorInfo, Flow, Once, OnceValue, OpContext, Request, Response
from ..errors import (
    BucketAlreadyExistsError,
    BucketNotEmptyError,
    CloudStoreError,
    ConfigError,
    ErrorKind,
    InvalidArgumentError,
    UnexpectedResponseError,
)
from ..extras import modules_of
from ..model import BucketInfo, ListOptions
from ..wire.dates import iso_time
from ..wire.qiniu_signing import FORM_TYPE, Signer
from ..wire.sigv4 import encode_query
from . import qiniu_errors as errors
from . import qiniu_messages as messages
from .qiniu_errors import QiniuRequest, json_of
from .qiniu_hosts import Hosts, checked_origin, domains_of, hosts_of, query_ttl, with_scheme

if TYPE_CHECKING:
    from .qiniu import QiniuConfig

__all__ = ["TOKEN_SECONDS", "QiniuAccount"]

TOKEN_SECONDS = 3600
"""How long a token of ours is good. That of an upload is looked at when the upload ends, so one request
may take so long, too; the SDK's own default (``Auth.upload_token``)."""
DOMAIN_SECONDS = 3600
"""How long a domain is used that was asked for: domains come and go by hand."""
CDN_URLS = 20
"""URLs of one request to the CDN: https://developer.qiniu.com/fusion/13367 has 20 for both."""
JSON_TYPE = "application/json"
ACLS = ("private", "public-read")
"""What ``private`` 1 and 0 are: https://developer.qiniu.com/kodo/3946/set-bucket-private."""
_REGION = re.compile(r"[a-z0-9-]{1,64}\Z")
"""It becomes a part of a path."""
_NEW_BUCKET: Mapping[int, ErrorKind] = MappingProxyType({614: ErrorKind.BUCKET_ALREADY_EXISTS})
_BUCKET: Mapping[int, ErrorKind] = MappingProxyType(
    {404: ErrorKind.BUCKET_NOT_FOUND, 612: ErrorKind.BUCKET_NOT_FOUND}
)


_sdk_module = modules_of("qiniu")


class QiniuAccount(Driver):
    """See the module."""

    def __init__(self, config: QiniuConfig) -> None:
        secret = config.secret_key.reveal() if config.secret_key else None
        access = config.access_key
        if access is None and secret is None:
            access = os.environ.get("QINIU_ACCESS_KEY")
            secret = os.environ.get("QINIU_SECRET_KEY")
        if not access or not secret:
            raise ConfigError("qiniu needs access_key and secret_key", vendor="qiniu")
        if not _REGION.match(config.region):
            raise ConfigError("region is an id such as 'z0'", vendor="qiniu")
        self.endpoint = checked_origin("endpoint", config.endpoint)
        self._signer = Signer(access, secret)
        self._secret = Secret(secret)
        self._region = config.region
        self._scheme = self.endpoint.partition(":")[0]
        given = {"up": config.up, "rs": config.rs, "rsf": config.rsf}
        self._given = {
            name: checked_origin(name, origin) for name, origin in given.items() if origin is not None
        }
        self._cdn = checked_origin("cdn", config.cdn)
        self._domains = domains_of(config.domain, self._scheme)
        self._native: Any = None

    # --- signing ---

    def discover(self, ctx: OpContext) -> Flow[None]:
        """There is nothing to ask."""
        yield from ()

    def credentials(self, ctx: OpContext, rejected: object) -> Flow[Signer]:
        """The configured keys."""
        yield from ()
        return self._signer

    def authorize(self, request: Request, credentials: Signer, now: float) -> Mapping[str, str]:
        """By the request's plan. Tokens that are no header go into the form, or the query, of the
        request itself, in the place of those of an attempt before."""
        assert isinstance(request, QiniuRequest)
        headers = dict(request.headers)
        plan = request.plan
        if plan == "download":
            url = f"{request.origin}{request.path}"
            deadline = int(now) + TOKEN_SECONDS
            request.query = credentials.download_query(url, request.unsigned_query, deadline)
        elif plan == "upload":
            token = credentials.upload_token({**request.policy, "deadline": int(now) + TOKEN_SECONDS})
            if request.form is not None:
                request.form.sign(token)
            else:
                headers["authorization"] = f"UpToken {token}"
        elif plan != "none":
            query = f"?{request.query}" if request.query else ""
            target = f"{request.path}{query}"
            if plan == "cdn":
                return {**headers, **credentials.manage_by_path(target)}
            host = headers["host"] = urlsplit(request.origin).netloc
            kind = headers.setdefault("content-type", FORM_TYPE)
            payload = request.payload
            body = b"" if payload is None else bytes(payload.read(0, payload.size))
            headers |= credentials.manage(request.method, host, target, kind, body, now)
        return headers

    def classify(self, request: Request | Call, failure: Response | Exception) -> ErrorInfo | None:
        """By the status."""
        if isinstance(failure, Exception) or not isinstance(request, QiniuRequest):
            return None
        return errors.judged(request, failure)

    # --- requests ---

    def _request(
        self,
        ctx: OpContext,
        plan: str,
        method: str,
        origin: str,
        path: str,
        query: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        payload: Payload | None = None,
        *,
        kinds: Mapping[int, ErrorKind] = MappingProxyType({}),
        policy: Mapping[str, object] = MappingProxyType({}),
        buffered: bool = True,
    ) -> QiniuRequest:
        text = encode_query(query)
        request = QiniuRequest(
            self,
            ctx,
            method,
            origin,
            path,
            text,
            headers,
            payload,
            buffered=buffered,
        )
        request.plan, request.kinds, request.policy = plan, kinds, policy
        request.unsigned_query = text
        request.form = payload if isinstance(payload, messages.FormPayload) else None
        return request

    def _manage(
        self, ctx: OpContext, method: str, origin: str, path: str, *args: Any, **options: Any
    ) -> Flow[Response]:
        """The answer of a management host."""
        answer: Response = yield self._request(ctx, "manage", method, origin, path, *args, **options)
        return answer

    def _hosts(self, ctx: OpContext, bucket: str) -> Flow[Hosts]:
        """Where a bucket's services are: as configured, else as its region says, while that is good."""
        if len(self._given) == 3:
            return Hosts(**self._given, source="")

        def find() -> Flow[OnceValue[Hosts]]:
            query = [("ak", self._signer.access_key), ("bucket", bucket)]
            asked = self._request(ctx, "none", "GET", self.endpoint, "/v4/query", query, kinds=_BUCKET)
            said = json_of((yield asked), dict, only_read=True)
            found = hosts_of(said, self._scheme)._replace(**self._given)
            return OnceValue(found, query_ttl(said))

        hosts: Hosts = yield Once(self, ctx, f"hosts of {bucket}", find)
        return hosts

    def _domain(self, ctx: OpContext, bucket: str) -> Flow[str]:
        """Where a bucket is read: the configured domain, else its source domain, which no cache is
        before, else the first domain that is bound to it."""
        configured = self._domains.get(bucket) or self._domains.get("")
        if configured is not None:
            return configured
        hosts = yield from self._hosts(ctx, bucket)
        if hosts.source:
            return hosts.source

        def find() -> Flow[OnceValue[str]]:
            path, query = "/v2/domains", [("tbl", bucket)]
            answer = yield from self._manage(ctx, "GET", self.endpoint, path, query, kinds=_BUCKET)
            said = json_of(answer, list, only_read=True)
            # One that begins with a dot stands for all below it (`DomainManager` of the SDK).
            named = [name for name in said if isinstance(name, str) and not name.startswith(".")]
            if not named:
                raise ConfigError(
                    f"no domain is bound to the bucket {bucket!r}, so nothing can be read from it: "
                    "bind one, or give domain=…; the test domains of new buckets end after 30 days",
                    vendor=self.scheme,
                )
            return OnceValue(with_scheme(self._scheme, named[0]), DOMAIN_SECONDS)

        domain: str = yield Once(self, ctx, f"domain of {bucket}", find)
        return domain

    # --- buckets ---

    def create_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """See `Driver`. Qiniu makes it open to all readers; a second request closes it."""
        path = f"/mkbucketv3/{bucket}/region/{self._region}"
        try:
            yield from self._manage(ctx, "POST", self.endpoint, path, kinds=_NEW_BUCKET)
        except BucketAlreadyExistsError as exc:
            if exc.outcome == "unknown":  # an answer was lost: it is ours, and was made just now
                yield from self.set_acl(ctx, bucket, None, "private")
            raise
        try:
            yield from self.set_acl(ctx, bucket, None, "private")
        except CloudStoreError as exc:
            exc.outcome = "unknown"  # the bucket is there
            yield from self._drop_quietly(ctx.for_cleanup(), bucket)
            raise
        return BucketInfo(bucket, None, self._region)

    def _drop_quietly(self, ctx: OpContext, bucket: str) -> Flow[None]:
        """After a failure, which is what counts."""
        with suppress(CloudStoreError):
            yield from self._manage(ctx, "POST", self.endpoint, f"/drop/{bucket}", kinds=_BUCKET)

    def delete_bucket(self, ctx: OpContext, bucket: str) -> Flow[None]:
        """See `Driver`. Looks first: older documents of Qiniu say that objects go with their bucket."""
        page = yield from self.list_page(ctx, bucket, ListOptions(limit=1))
        if page.objects or page.token is not None:
            raise BucketNotEmptyError("the bucket holds objects")
        yield from self._manage(ctx, "POST", self.endpoint, f"/drop/{bucket}", kinds=_BUCKET)

    def head_bucket(self, ctx: OpContext, bucket: str) -> Flow[BucketInfo]:
        """See `Driver`."""
        said = yield from self._bucket_info(ctx, bucket)
        region, created = said.get("region"), said.get("ctime")
        return BucketInfo(
            bucket,
            iso_time(created) if isinstance(created, str) else None,
            region if isinstance(region, str) else None,
        )

    def _bucket_info(self, ctx: OpContext, bucket: str) -> Flow[dict[str, Any]]:
        query = [("bucket", bucket)]
        try:
            answer = yield from self._manage(
                ctx, "POST", self.endpoint, "/v2/bucketInfo", query, kinds=_BUCKET
            )
        except CloudStoreError as exc:
            exc.outcome = "not_applied"  # by POST, and yet it only reads
            raise
        return json_of(answer, dict, only_read=True)

    def list_buckets(self, ctx: OpContext) -> Flow[list[BucketInfo]]:
        """See `Driver`."""
        answer = yield from self._manage(ctx, "GET", self.endpoint, "/buckets")
        names = json_of(answer, list, only_read=True)
        if not all(isinstance(name, str) for name in names):
            raise UnexpectedResponseError("the names of the buckets are no texts")
        return [BucketInfo(name) for name in sorted(names)]

    # --- access ---

    def get_acl(self, ctx: OpContext, bucket: str, key: str | None) -> Flow[str]:
        """See `Driver`."""
        said = yield from self._bucket_info(ctx, bucket)
        private = said.get("private")
        if private not in (0, 1):
            raise UnexpectedResponseError("the answer does not say whether the bucket is private")
        return ACLS[1 - int(private)]

    def set_acl(self, ctx: OpContext, bucket: str, key: str | None, acl: str) -> Flow[None]:
        """See `Driver`."""
        if acl not in ACLS:
            raise InvalidArgumentError(f"no ACL {acl!r}; there are {', '.join(ACLS)}")
        query = [("bucket", bucket), ("private", str(1 - ACLS.index(acl)))]
        yield from self._manage(ctx, "POST", self.endpoint, "/private", query, kinds=_BUCKET)

    # --- CDN ---

    def purge_cdn(self, ctx: OpContext, urls: Sequence[str]) -> Flow[None]:
        """See `Driver`: https://developer.qiniu.com/fusion/1229/cache-refresh."""
        yield from self._tune(ctx, "refresh", urls)

    def prefetch_cdn(self, ctx: OpContext, urls: Sequence[str]) -> Flow[None]:
        """See `Driver`: https://developer.qiniu.com/fusion/1227/file-prefetching."""
        yield from self._tune(ctx, "prefetch", urls)

    def _tune(self, ctx: OpContext, verb: str, urls: Sequence[str]) -> Flow[None]:
        for first in range(0, len(urls), CDN_URLS):
            body = messages.cdn_body(urls[first : first + CDN_URLS])
            request = self._request(
                ctx,
                "cdn",
                "POST",
                self._cdn,
                f"/v2/tune/{verb}",
                (),
                {"content-type": JSON_TYPE},
                BytesPayload(body),
            )
            try:
                errors.check_cdn((yield request))
            except CloudStoreError as exc:
                if first:
                    exc.outcome = "unknown"  # the ones before were taken
                raise

    # --- the SDK ---

    @property
    def native(self) -> Any:
        """The SDK's ``BucketManager`` for the configured region, or hosts, over this account's keys;
        its ``auth`` signs tokens. It looks nothing up, so it writes no file.

        Raises:
            MissingDependencyError: the SDK is not installed.
        """
        if self._native is None:
            self._native = self._make_native()
        return self._native

    def _make_native(self) -> Any:
        sdk = _sdk_module("qiniu")
        region_of, endpoint_of = _sdk_module("qiniu.http.region"), _sdk_module("qiniu.http.endpoint")
        given = {**self._given, "uc": self.endpoint}
        region = region_of.Region.from_region_id(self._region, preferred_scheme=self._scheme)
        for name, origin in given.items():
            service = region_of.ServiceName(name)
            region.services[service] = [endpoint_of.Endpoint.from_host(origin)]
        auth = sdk.Auth(self._signer.access_key, self._secret.reveal())
        return sdk.BucketManager(auth, regions=[region], preferred_scheme=self._scheme)

    def close(self) -> None:
        """Forgets the SDK's object, which holds no connection of its own."""
        self._native = None
