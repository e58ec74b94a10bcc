"""Configurations, profile files and the factory: what is accepted, and what each mistake says."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import SplitResult

import pytest

from cloudstore import (
    AsyncStore,
    Config,
    ConfigError,
    LocalConfig,
    MemoryConfig,
    MissingDependencyError,
    RetryPolicy,
    Secret,
    Store,
    StoreFactory,
    Timeouts,
    TransferConfig,
)
from cloudstore.factory import config_from, config_from_profile
from cloudstore.profiles import load_profile
from cloudstore.providers.memory import MemoryDriver

SECRET = "s3cr3t-do-not-show"


@dataclass(frozen=True)
class VendorConfig(Config):
    """A vendor with keys, as those to come will have them."""

    scheme: ClassVar[str] = "vendor"

    endpoint: str = "https://vendor.example"
    access_key: str | None = None
    secret_key: Secret | None = None
    ratio: float = 0.5
    pages: int = 10
    fast: bool = False

    @classmethod
    def url_options(cls, url: SplitResult) -> dict[str, object]:
        options: dict[str, object] = {}
        if url.hostname:
            options["endpoint"] = f"https://{url.hostname}"
        if url.username:
            options["access_key"] = url.username
        if url.password:
            options["secret_key"] = url.password
        return options

    def create_driver(self) -> MemoryDriver:
        return MemoryDriver(MemoryConfig())


NotAConfig = dict


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installs third parties' entry points: a good one, and broken ones."""
    info = tmp_path / "third_party-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[cloudstore.providers]\n"
        f"vendor = {__name__}:VendorConfig\n"
        "lacking = cloudstore_lacking_module:Config\n"
        f"nameless = {__name__}:Nothing\n"
        f"wrong = {__name__}:NotAConfig\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


# --- values ---


def test_a_config_is_frozen_and_checks_its_values() -> None:
    config = MemoryConfig()
    with pytest.raises(FrozenInstanceError):
        config.verify = False  # type: ignore[misc]
    with pytest.raises(ConfigError, match="max_connections"):
        MemoryConfig(max_connections=0)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: RetryPolicy(attempts=0), "attempts"),
        (lambda: RetryPolicy(base_delay=-1), "base_delay"),
        (lambda: RetryPolicy(attempts=1.5), "attempts"),  # type: ignore[arg-type]
        (lambda: Timeouts(connect=0), "connect"),
        (lambda: Timeouts(total=float("inf")), "total"),
        (lambda: Timeouts(stall="soon"), "stall"),  # type: ignore[arg-type]
        (lambda: TransferConfig(part_size=0), "part_size"),
        (lambda: TransferConfig(part_size=True), "part_size"),
    ],
)
def test_settings_refuse_nonsense_by_name(make: Any, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        make()


def test_secrets_pickle_and_never_show(caplog: pytest.LogCaptureFixture) -> None:
    config = VendorConfig(secret_key=SECRET)  # type: ignore[arg-type]
    assert isinstance(config.secret_key, Secret)
    assert config.secret_key.reveal() == SECRET
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert again.secret_key.reveal() == SECRET
    for shown in (repr(config), str(config), f"{config.secret_key}", repr(config.secret_key)):
        assert SECRET not in shown
    assert Secret("a") == Secret("a") != Secret("b")


# --- mappings, ids, environment ---


def test_a_mapping_names_its_provider(vendor: None) -> None:
    config = config_from({"provider": "vendor", "pages": 3, "retry": {"attempts": 2}})
    assert isinstance(config, VendorConfig)
    assert (config.pages, config.retry.attempts) == (3, 2)
    with StoreFactory.create({"provider": "memory"}) as store:
        assert isinstance(store, Store)
    with pytest.raises(ConfigError, match="provider"):
        StoreFactory.create({"pages": 3})


def test_the_three_ways_to_a_store_are_one() -> None:
    with Store.create("memory:") as a, Store(MemoryConfig()) as b, StoreFactory.create("memory") as c:
        for store in (a, b, c):
            store.create_bucket("bucket")
    assert isinstance(AsyncStore.create("memory:"), AsyncStore)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fsst": True}, "no option 'fsst'; did you mean 'fast'"),
        ({"zzz": True}, "no option 'zzz'; there are access_key, "),
        ({"pages": "3"}, "'pages' must be a whole number, not str"),
        ({"pages": True}, "'pages' must be a whole number, not bool"),
        ({"ratio": "x"}, "'ratio' must be a number, not str"),
        ({"fast": 1}, "'fast' must be true or false, not int"),
        ({"endpoint": 5}, "'endpoint' must be text, not int"),
        ({"retry": 5}, "'retry' must be a table, not int"),
        ({"retry": {"atempts": 1}}, "'retry.atempts': .*did you mean 'attempts'"),
        ({"timeouts": {"connect": 0}}, "'timeouts.connect': .*at least"),
    ],
)
def test_an_unknown_or_wrong_option_is_an_error_that_names_it(
    vendor: None, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        config_from("vendor", **options)
    assert caught.value.vendor == "vendor"


def test_a_wrong_option_that_is_a_secret_is_not_shown(vendor: None) -> None:
    with pytest.raises(ConfigError) as caught:
        config_from("vendor", pages=SECRET)
    assert SECRET not in str(caught.value)


def test_an_unknown_provider_is_an_error_that_names_those_there_are(vendor: None) -> None:
    with pytest.raises(ConfigError, match=r"no provider 'sftp'; there are .*file.*memory.*vendor"):
        StoreFactory.create("sftp")
    assert {"file", "memory", "vendor"} <= set(StoreFactory.providers())


def test_the_environment_fills_what_is_not_given(vendor: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDOR_ACCESS_KEY", "from-environment")
    monkeypatch.setenv("VENDOR_SECRET_KEY", SECRET)
    config = config_from("vendor")
    assert isinstance(config, VendorConfig)
    assert config.access_key == "from-environment"
    assert config.secret_key == Secret(SECRET)
    explicit = config_from("vendor", "explicit")
    assert isinstance(explicit, VendorConfig)
    assert explicit.access_key == "explicit"
    by_url = config_from("vendor://by-url@host")
    assert isinstance(by_url, VendorConfig)
    assert (by_url.access_key, by_url.secret_key) == ("by-url", Secret(SECRET))


def test_a_missing_root_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="file needs root"):
        StoreFactory.create("file")


def test_the_root_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FILE_ROOT", str(tmp_path / "root"))
    with StoreFactory.create("file") as store:
        store.create_bucket("bucket")
    assert (tmp_path / "root" / "bucket").is_dir()


# --- URLs ---


def test_a_url_holds_options_in_its_query(vendor: None, tmp_path: Path) -> None:
    config = config_from("vendor://host?pages=7&fast=true&ratio=0.25")
    assert isinstance(config, VendorConfig)
    assert (config.endpoint, config.pages, config.fast, config.ratio) == (
        "https://host",
        7,
        True,
        0.25,
    )
    local = config_from(f"file://{tmp_path}?fsync=true")
    assert isinstance(local, LocalConfig)
    assert (local.root, local.fsync) == (str(tmp_path), True)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("vendor://host?pages=many", "'pages' must be a whole number"),
        ("vendor://host?fast=yes", "'fast' must be true or false"),
        ("vendor://host?nope=1", "no option 'nope'"),
        ("memory://somewhere", "memory"),
        ("nosuch://host", "no provider 'nosuch'"),
        ("vendor://[::1", "cannot be parsed"),
    ],
)
def test_a_bad_url_is_an_error(vendor: None, url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        StoreFactory.create(url)


@pytest.mark.parametrize("url", [f"vendor://key:{SECRET}@host", f"vendor://host?secret_key={SECRET}"])
def test_a_secret_in_a_url_is_taken_only_where_the_user_insists(vendor: None, url: str) -> None:
    with pytest.raises(ConfigError, match="allow_secret_in_url") as caught:
        StoreFactory.create(url)
    assert SECRET not in str(caught.value)
    config = config_from(url, allow_secret_in_url=True)
    assert isinstance(config, VendorConfig)
    assert config.secret_key == Secret(SECRET)


# --- profiles ---


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    return tmp_path / "cloudstore.toml"


def test_a_profile_is_a_table_with_a_provider(
    vendor: None, profiles: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(SECRET + "\n")
    monkeypatch.setenv("PAGES", "12")
    monkeypatch.setenv("FAST", "true")
    profiles.write_text(
        "[prod]\n"
        'provider = "vendor"\n'
        f'secret_key = {{ file = "{tmp_path}/key" }}\n'
        'pages = { env = "PAGES" }\n'
        'fast = { env = "FAST" }\n'
        "[prod.retry]\n"
        "attempts = 9\n"
    )
    config = config_from_profile("prod", profiles)
    assert isinstance(config, VendorConfig)
    assert config.secret_key == Secret(SECRET)
    assert (config.pages, config.fast, config.retry.attempts) == (12, True, 9)
    assert SECRET not in repr(load_profile("prod", profiles))


def test_the_profile_file_is_looked_for(
    profiles: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    profiles.write_text('[dev]\nprovider = "memory"\n')
    monkeypatch.setenv("CLOUDSTORE_CONFIG", str(profiles))
    StoreFactory.from_profile("dev").close()
    monkeypatch.delenv("CLOUDSTORE_CONFIG")
    monkeypatch.chdir(tmp_path)
    StoreFactory.from_profile("dev").close()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with pytest.raises(ConfigError, match=r"no profile file; looked for cloudstore\.toml"):
        StoreFactory.from_profile("dev")
    (tmp_path / "config" / "cloudstore").mkdir(parents=True)
    profiles.rename(tmp_path / "config" / "cloudstore" / "cloudstore.toml")
    StoreFactory.from_profile("dev").close()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('[prod]\nprovider = "vendor"\n\npagse = 3\n', 4, "did you mean 'pages'"),
        ('[prod]\nprovider = "vendor"\n"pages" = "x"\n', 3, "'pages' must be a whole number"),
        ('[other]\npages = 1\n[prod]\nprovider = "vendor"\npages = "x"\n', 5, "pages"),
        ('[prod]\nprovider = "vendor"\n[prod.retry]\nbase_delay = 1\nattempts = 0\n', 5, "attempts"),
        ('[prod]\nprovider = "vendor"\nretry.attempts = 0\n', 3, "retry.attempts"),
        ('[prod]\nprovider = "vendor"\nretry = { attempts = 0 }\n', 3, "retry.attempts"),
        ("[prod]\npages = 1\n", 1, "needs a provider"),
        ('[prod]\nprovider = "vendor"\npages = { env = "UNSET_NAME" }\n', 3, "UNSET_NAME is not set"),
        ('[prod]\nprovider = "vendor"\npages = { file = "/nonexistent" }\n', 3, "cannot be read"),
        ("[prod]\n# which?\nprovider = 5\n", 3, "'provider' must be text"),
        # What only looks like the key: in a text, in an array, in another table, in a header of two.
        ('[prod]\nprovider = "vendor"\nendpoint = """\npages = 1\n"""\npages = "x"\n', 6, "pages"),
        ('[a]\nx = [\n[1],\n]\n["prod"]\nprovider = "vendor"\npages = "x"\n', 7, "pages"),
        ('[[a]]\npages = 1\n[prod]\nprovider = "vendor"\npages = [\n 1,\n]\n', 5, "pages"),
        ('["x.prod"]\npages = 1\n[prod]\nprovider = "vendor"\npages = "x"\n', 5, "pages"),
        ('[prod]\nprovider = "nosuch"\n', 2, "no provider 'nosuch'"),
    ],
)
def test_a_mistake_in_a_profile_names_the_file_the_line_and_the_key(
    vendor: None, profiles: Path, text: str, line: int, message: str
) -> None:
    profiles.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        StoreFactory.from_profile("prod", profiles)
    assert str(caught.value).startswith(f"{profiles}:{line}: ")


def test_broken_toml_and_missing_profiles_are_errors(profiles: Path) -> None:
    profiles.write_text("[prod\n")
    with pytest.raises(ConfigError, match=r"cloudstore\.toml:1: .*line 1"):
        StoreFactory.from_profile("prod", profiles)
    profiles.write_text('[prod]\n\nprovider = """file')
    with pytest.raises(ConfigError, match=r"cloudstore\.toml:3: "):
        StoreFactory.from_profile("prod", profiles)
    profiles.write_text("[dev]\n[test]\n")
    with pytest.raises(ConfigError, match="no profile 'prod'; there are: dev, test"):
        StoreFactory.from_profile("prod", profiles)
    with pytest.raises(ConfigError, match="no profile file"):
        StoreFactory.from_profile("prod", profiles.with_name("absent.toml"))
    with pytest.raises(ConfigError, match="cannot be read"):
        StoreFactory.from_profile("prod", profiles.parent)


# --- third parties ---


def test_a_third_partys_provider_is_found_by_its_entry_point(vendor: None) -> None:
    with StoreFactory.create("vendor") as store:
        store.create_bucket("bucket")


def test_broken_third_parties_are_clear_errors(vendor: None) -> None:
    with pytest.raises(MissingDependencyError, match=r"'lacking' of third-party needs cloudstore_lack"):
        StoreFactory.create("lacking")
    with pytest.raises(ConfigError, match="'nameless' of third-party is broken"):
        StoreFactory.create("nameless")
    with pytest.raises(ConfigError, match=r"'wrong' of third-party is broken: .* is no Config class"):
        StoreFactory.create("wrong")


def test_importing_the_library_stays_light() -> None:
    program = (
        "import sys, cloudstore\n"
        "heavy = {'asyncio', 'ssl', 'importlib.metadata', 'http.client', 'pytest'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)\n"
    )
    # -S: what a machine's site directory imports is not ours.
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    assert (done.returncode, done.stderr) == (0, "")
