"""The simulator: its ports, its buckets' domains, and the way of a request through its faults."""

from __future__ import annotations

import itertools
import logging
import secrets
import threading
from collections import Counter
from http import HTTPStatus
from typing import Self

from ..loopback import HOST, Delivery, LoopbackServer, Request, Response
from ..server_faults import FaultPlan, ServerFault
from .answers import failed
from .cdn import Cdn
from .downloads import Downloads
from .management import Management
from .settings import QiniuClock, QiniuError, QiniuLimits, QiniuQuirks
from .signatures import Signatures
from .storage import Storage
from .uploads import Uploads

__all__ = ["QiniuSimulator"]

FORM_EXTRA_BYTES = 1024 * 1024
"""What a form has besides its file."""
RESET = Delivery(cut_after=0)

log = logging.getLogger("cloudstore")


class QiniuSimulator:
    """Qiniu Kodo on 127.0.0.1, from when it is made until it is closed.

    It has a port for all of the management hosts, one for uploads, and one for each bucket's download
    domain, which it takes as the bucket is made. Everything is in memory, and gone with it.

    Args:
        access_key, secret_key: of its one account; made up if they are not given.
        region: of buckets that name none.
        limits, quirks: see there.
        faults: what goes wrong; more can be added while it runs.
        clock: its time.
        port, upload_port: 0 takes a free one.

    Attributes:
        counts: how many requests came, by method and the path's first word, such as ``"POST /batch"``,
            ``"POST /"`` of a form upload, ``"GET domain"`` of a download.

    Raises:
        ImportError: the package ``qiniu`` is missing: its signer verifies the requests.
        OSError: a port is taken.
    """

    def __init__(
        self,
        *,
        access_key: str | None = None,
        secret_key: str | None = None,
        region: str = "z0",
        limits: QiniuLimits | None = None,
        quirks: QiniuQuirks | None = None,
        faults: FaultPlan | None = None,
        clock: QiniuClock | None = None,
        port: int = 0,
        upload_port: int = 0,
    ) -> None:
        self.access_key = access_key or secrets.token_urlsafe(30)
        self.secret_key = secret_key or secrets.token_urlsafe(30)
        self.region = region
        self.limits = limits or QiniuLimits()
        self.quirks = quirks or QiniuQuirks()
        self.faults = faults or FaultPlan()
        self.clock = clock or QiniuClock()
        self.counts: Counter[str] = Counter()
        self._guard = threading.Lock()
        self.signatures = Signatures(self.access_key, self.secret_key, self.limits, self.clock)
        self.storage = Storage(self.limits, self.quirks, self.clock)
        self._numbers = itertools.count(1)
        self._domains: dict[str, str] = {}
        self._ports: dict[int, str] = {}
        self._downloads = Downloads(self.storage, self.signatures, self.quirks, self.clock)
        cdn = Cdn(self, self._downloads, self.limits, self.clock)
        self._management = Management(self, self.storage, cdn)
        self._uploads = Uploads(self, self.storage)
        # Before anybody can connect to a port that was chosen.
        self.port, self.upload_port = port, upload_port
        self._hosts = {port: "management", upload_port: "upload"}
        most = max(self.limits.form_bytes, self.limits.max_part) + FORM_EXTRA_BYTES
        self._server = LoopbackServer(self._handle, max_body=most, refusal=self._refuse)
        try:
            self.port = self._server.listen(port)
            self.upload_port = self._server.listen(upload_port)
        except OSError:
            self._server.close()
            raise
        self._hosts = {self.port: "management", self.upload_port: "upload"}

    # --- where it is ---

    @property
    def api_host(self) -> str:
        """``host:port`` of uc, rs, rsf, api and fusion."""
        return f"{HOST}:{self.port}"

    @property
    def api_url(self) -> str:
        """Of `api_host`."""
        return f"http://{self.api_host}"

    @property
    def upload_host(self) -> str:
        """``host:port`` that takes uploads."""
        return f"{HOST}:{self.upload_port}"

    @property
    def upload_url(self) -> str:
        """Of `upload_host`."""
        return f"http://{self.upload_host}"

    def domain(self, bucket: str) -> str:
        """``host:port`` of a bucket's download domain, as ``/v2/domains`` names it first.

        Raises:
            QiniuError: 631, there is no such bucket.
        """
        return self.storage.bucket(bucket).domains[0]

    # --- buckets ---

    def create_bucket(
        self, name: str, *, region: str | None = None, private: bool = False, port: int = 0
    ) -> str:
        """Makes a bucket without a request, and says its download domain, at `port`.

        Raises:
            QiniuError: what Qiniu would answer.
            OSError: the port is taken, or the simulator is closed.
        """
        with self.storage.alone():  # a bucket and its domain come and go together
            bucket = self.storage.create_bucket(name, region or self.region, private)
            try:
                taken = self._server.listen(port)
            except OSError:
                self.storage.drop_bucket(name)
                raise
            self._ports[taken] = name
            self.bind_domain(name, f"{HOST}:{taken}")
            return bucket.domains[0]

    def drop_bucket(self, name: str) -> None:
        """Drops an empty bucket without a request; its domain's port is given back.

        Raises:
            QiniuError: what Qiniu would answer.
        """
        with self.storage.alone():
            dropped = self.storage.drop_bucket(name)
            for domain in dropped.domains:
                self._domains.pop(domain, None)
            for port in [port for port, bucket in self._ports.items() if bucket == name]:
                del self._ports[port]
                self._server.unlisten(port)
            self._downloads.drop(name, "", "", with_all_under=True)

    def bind_domain(self, bucket: str, domain: str) -> None:
        """Gives a bucket one more domain: requests to any download port whose Host says so are its.

        Under a name that is nobody's, a download port serves its own bucket: a proxy may stand before
        it.

        Raises:
            QiniuError: 631, there is no such bucket.
        """
        with self.storage.alone():
            self.storage.bucket(bucket).domains.append(domain)
            self._domains[domain] = bucket

    def bucket_of(self, domain: str) -> str | None:
        """The bucket whose domain this is."""
        return self._domains.get(domain)

    # --- its end ---

    def close(self) -> None:
        """Stops listening and forgets everything; any number of times."""
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<QiniuSimulator: {self.api_url}, uploads to {self.upload_url}>"

    # --- requests ---

    def _handle(self, request: Request) -> Response:
        path = request.path
        host = self._hosts.get(request.port, "download")
        place = "domain" if host == "download" else f"/{path[1:].partition('/')[0]}"
        with self._guard:
            self.counts[f"{request.method} {place}"] += 1
        fault = self.faults.meet(host, request.method, path)
        response = self._answer(request) if fault is None else self._harm(fault, request)
        return self._numbered(response)

    def _refuse(self, status: int) -> Response:
        return self._numbered(failed(QiniuError(status, HTTPStatus(status).phrase)))

    def _numbered(self, response: Response) -> Response:
        """Every answer of Qiniu's has a number; the SDK believes in none that lacks it."""
        reqid = f"sim{next(self._numbers):013x}"
        response.headers = {"X-Reqid": reqid, "X-Log": "SIM:1", **response.headers}
        return response

    def _answer(self, request: Request) -> Response:
        try:
            if request.port == self.port:
                return self._management.answer(request)
            if request.port == self.upload_port:
                return self._uploads.answer(request)
            domain = request.headers.get("host", "")
            name = self._domains.get(domain) or self._ports.get(request.port)
            if name is None:
                raise QiniuError(404, "no such domain")
            return self._downloads.answer(self.storage.bucket(name), request)
        except QiniuError as exc:
            return failed(exc)
        except Exception:
            log.exception("the Qiniu simulator failed")
            return failed(QiniuError(500, "the simulator itself failed; its log says why"))

    def _harm(self, fault: ServerFault, request: Request) -> Response:
        if fault.reset:
            return Response(503, delivery=RESET)
        if fault.status is not None:
            response = failed(QiniuError(fault.status, "a fault of the simulator's plan"))
        else:
            response = self._answer(request)
        if fault.lose_answer:
            response.delivery = RESET
        elif fault.delay or fault.rate is not None or fault.cut_after is not None:
            response.delivery = Delivery(fault.delay, fault.rate, fault.cut_after)
        return response
