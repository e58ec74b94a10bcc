"""Qiniu Kodo, simulated on this machine: no account, no network, the protocol with its quirks.

    with QiniuSimulator() as qiniu:
        domain = qiniu.create_bucket("media")
        ...  # a client of qiniu.api_url, qiniu.upload_url and domain

The package ``qiniu`` must be there: its signer verifies what is signed. docs/guide/qiniu-simulator.md
says how to use it, and what it takes on trust.
"""

from ..server_faults import FaultPlan, ServerFault
from .settings import QiniuClock, QiniuError, QiniuLimits, QiniuQuirks
from .simulator import QiniuSimulator

__all__ = [
    "FaultPlan",
    "QiniuClock",
    "QiniuError",
    "QiniuLimits",
    "QiniuQuirks",
    "QiniuSimulator",
    "ServerFault",
]
