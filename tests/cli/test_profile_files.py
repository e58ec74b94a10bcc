"""A wrong profile file is named with its line and the key, and shows no secret."""

from __future__ import annotations

import pytest

from .program import SECRET, Program


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[dev]\nprovider = "file"\n\nrot = "x"\n',
            "cloudstore.toml:4: no option 'rot'; did you mean 'root'",
        ),
        ('[dev]\nprovider = "file"\nroot = 5\n', "cloudstore.toml:3: option 'root' must be"),
        ('[dev]\nprovider = "fil"\n', "cloudstore.toml:2: no provider 'fil'"),
        ('[dev]\nroot = "x"\n', "cloudstore.toml:1: the profile 'dev' needs a provider"),
        ('[dev]\nprovider = "file\n', "cloudstore.toml:2: "),
        (
            f'[dev]\nprovider = "s3"\nregion = "x"\naccess_key = 1\nsecret_key = "{SECRET}"\n',
            "toml:4: ",
        ),
        (
            f'[dev]\nprovider = "s3"\nsecret_key = "{SECRET}"\nmax_connections = "{SECRET}"\n',
            "toml:4: ",
        ),
        (f'[dev]\nprovider = "s3"\nsecret_key = "{SECRET}"\n= 5\n', "toml:4: "),
        (
            '[dev]\nprovider = "file"\nroot = { env = "UNSET_NAME" }\n',
            "toml:3: 'root': $UNSET_NAME is not set",
        ),
        ('[dev]\nprovider = "s3"\n[dev.retry]\nattempts = 0\n', "toml:4: option 'retry.attempts'"),
        ('[dev]\nprovider = "file"\nroot = "cloudstore.toml"\n', "cloudstore.toml:1: the root "),
        ('[other]\nprovider = "file"\n', "cloudstore.toml: no profile 'dev'; there are: other"),
    ],
)
def test_a_mistake_is_named_by_file_line_and_key(cli: Program, text: str, said: str) -> None:
    (cli.folder / "cloudstore.toml").write_text(text)
    ran = cli.within("ls", "dev:", expect=1)
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1


def test_the_file_may_be_elsewhere(cli: Program) -> None:
    (cli.folder / "cloudstore.toml").rename(cli.folder / "mine.toml")
    assert "no profile file; looked for cloudstore.toml" in cli("ls", "dev:", expect=1).err
    cli("ls", "dev:", CLOUDSTORE_CONFIG=str(cli.folder / "mine.toml"))


def test_a_provider_is_no_profile(cli: Program) -> None:
    assert "no profile 'memory'" in cli("ls", "memory:", expect=1).err
