"""What proves that a driver is right, for this library's own drivers and for everybody else's.

`ConformanceSuite`
    pytest classes that hold a driver to the contract. Give them a `Harness` and run pytest::

        from cloudstore.testing import ConformanceSuite, Harness

        class MyHarness(Harness):
            def make_driver(self):
                return MyConfig(endpoint="http://127.0.0.1:9000", ...).create_driver()

        class TestMyVendor(ConformanceSuite):
            harness = MyHarness()

`PassThroughDriver`, `BorrowingDriver`
    bases of wrappers around drivers.
`AdministeredDriver`
    a driver with settings that nothing acts by, for tests of what administers buckets.
`FailoverDriver`
    a driver over two drivers: the proof that the driver interface is enough.
`Simulation`, `UnreliableDriver`, `Faults`
    the third runner, with a virtual clock, and a bad network between an engine and a driver.
`BROKEN_DRIVERS`
    drivers that are wrong on purpose, each with the tests that must find it out.
`FaultProxy`, `Fault`
    a TCP proxy that resets, stalls, truncates, corrupts, or loses an answer, by a script.
`DevelopmentServer`
    serves the presigned URLs of the embedded drivers.
`QiniuSimulator`
    Qiniu Kodo on this machine; in pytest the fixture `qiniu_simulator`. Settings are in `.qiniu`.
`FaultPlan`, `ServerFault`
    what goes wrong in a simulated service, by a list or by chance.
`BlockingFace`, `blocking_store`, `LoopThread`
    an `AsyncStore` behind the verbs of `Store`.

It needs the extra ``cloudstore[testing]`` (pytest, hypothesis, and for simulators the vendors' SDKs) as
soon as the suite or a simulator is used. Names are
loaded when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..pass_through import BorrowingDriver, PassThroughDriver
    from .administered import AdministeredDriver
    from .blocking_face import BlockingFace, LoopThread, blocking_store
    from .broken import BROKEN_DRIVERS, BrokenDriver
    from .conformance import ConformanceSuite, Harness
    from .failover import FailoverDriver
    from .fault_proxy import Fault, FaultProxy
    from .qiniu import QiniuSimulator
    from .server import DevelopmentServer
    from .server_faults import FaultPlan, ServerFault
    from .simulation import Simulation
    from .unreliable import Faults, UnreliableDriver

__all__ = [
    "BROKEN_DRIVERS",
    "AdministeredDriver",
    "BlockingFace",
    "BorrowingDriver",
    "BrokenDriver",
    "ConformanceSuite",
    "DevelopmentServer",
    "FailoverDriver",
    "Fault",
    "FaultPlan",
    "FaultProxy",
    "Faults",
    "Harness",
    "LoopThread",
    "PassThroughDriver",
    "QiniuSimulator",
    "ServerFault",
    "Simulation",
    "UnreliableDriver",
    "blocking_store",
]

_LAZY = {
    "AdministeredDriver": "administered",
    "BROKEN_DRIVERS": "broken",
    "BlockingFace": "blocking_face",
    "BorrowingDriver": ".pass_through",
    "BrokenDriver": "broken",
    "ConformanceSuite": "conformance",
    "DevelopmentServer": "server",
    "FailoverDriver": "failover",
    "Fault": "fault_proxy",
    "FaultPlan": "server_faults",
    "FaultProxy": "fault_proxy",
    "Faults": "unreliable",
    "Harness": "conformance",
    "LoopThread": "blocking_face",
    "PassThroughDriver": ".pass_through",
    "QiniuSimulator": "qiniu",
    "ServerFault": "server_faults",
    "Simulation": "simulation",
    "UnreliableDriver": "unreliable",
    "blocking_store": "blocking_face",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'cloudstore.testing' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
