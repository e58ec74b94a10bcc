"""No wrapper loses anything: each forwards every method and attribute of the driver interface."""

from __future__ import annotations

import inspect

import pytest

from cloudstore import MemoryConfig
from cloudstore.driver import Driver
from cloudstore.expiry import ExpiringDriver
from cloudstore.testing import (
    AdministeredDriver,
    FailoverDriver,
    Faults,
    PassThroughDriver,
    UnreliableDriver,
)
from cloudstore.testing.conformance import RecordingDriver
from cloudstore.testing.conformance.account import OPERATIONS


def memory() -> Driver:
    return MemoryConfig().create_driver()


WRAPPERS = [
    PassThroughDriver(memory()),
    ExpiringDriver(memory()),
    RecordingDriver(memory()),
    UnreliableDriver(memory(), Faults()),
    AdministeredDriver(memory()),
    FailoverDriver(memory(), memory(), 0.05),
]
# What the interface refuses by default, because the capability is one that no wrapper can offer.
REFUSED: dict[type[Driver], dict[str, str]] = {
    FailoverDriver: {
        "get_acl": "acl",
        "set_acl": "acl",
        "set_website": "website",
        "get_versioning": "versioning",
        "set_versioning": "versioning",
        "get_lifecycle": "lifecycle",
        "set_lifecycle": "lifecycle",
        "purge_cdn": "cdn",
        "prefetch_cdn": "cdn_prefetch",
        "get_account": "account",
        "update_account_metadata": "account_metadata",
        "update_bucket_metadata": "bucket_metadata",
    }
}


def interface() -> list[str]:
    """Every public name of `Driver`: methods, properties, and attributes that are only annotated."""
    names = {*vars(Driver), *Driver.__annotations__}
    return sorted(name for name in names if not name.startswith("_"))


def defines(wrapper: Driver, name: str) -> bool:
    """Whether the wrapper itself has the name, rather than what `Driver` has by default."""
    if name in vars(wrapper):
        return True
    owner = next(c for c in type(wrapper).__mro__ if name in vars(c))
    return owner is not Driver


@pytest.mark.parametrize("name", interface())
@pytest.mark.parametrize("wrapper", WRAPPERS, ids=lambda w: type(w).__name__)
def test_wrapper_forwards(wrapper: Driver, name: str) -> None:
    refused = REFUSED.get(type(wrapper), {})
    if name in refused:
        assert not getattr(wrapper.capabilities, refused[name])
    else:
        assert defines(wrapper, name), f"{type(wrapper).__name__} loses {name}"


@pytest.mark.parametrize("name", interface())
def test_pass_through_takes_the_same_arguments(name: str) -> None:
    ours, theirs = getattr(PassThroughDriver, name, None), getattr(Driver, name, None)
    if inspect.isfunction(theirs):
        assert inspect.signature(ours) == inspect.signature(theirs)  # type: ignore[arg-type]
    else:
        assert isinstance(ours, property)


def test_interface_is_what_the_recorder_knows() -> None:
    methods = {name for name in interface() if inspect.isfunction(getattr(Driver, name, None))}
    about_requests = {"discover", "credentials", "authorize", "classify", "close"}
    assert methods == {*OPERATIONS, *about_requests}
