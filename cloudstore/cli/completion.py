"""What an address may go on with, and how bash asks: profiles, then buckets, then keys up to a slash.

click completes commands and options, in bash, zsh and fish. Its script for bash is replaced, because
bash breaks words at the colon of ``PROFILE:bucket``, and a space behind ``PROFILE:`` is never wanted.
"""

from __future__ import annotations

import os
from itertools import islice

from click.shell_completion import BashComplete, add_completion_class, split_arg_string

from ..model import CommonPrefix
from ..profiles import profile_names
from ..store import Store
from .addresses import Remote, parse_address

__all__ = ["BashCompletion", "completed"]

SECONDS = 3
"""A prompt waits no longer."""

SCRIPT = r"""
%(complete_func)s() {
    local IFS=$'\n' line="${COMP_LINE:0:COMP_POINT}" word cut="" completion value
    word="${line##*[[:space:]]}"
    # What readline replaces begins behind the last colon, where that breaks words.
    [[ $COMP_WORDBREAKS == *:* && $word == *:* ]] && cut="${word%%"${word##*:}"}"
    COMPREPLY=()
    for completion in $(env COMP_LINE="$line" %(complete_var)s=bash_complete "$1"); do
        value="${completion#*,}"
        case "$completion" in
            file,*)
                for value in $(compgen -f -- "$word"); do
                    [[ -d $value ]] && value+=/ && compopt -o nospace
                    COMPREPLY+=("${value#"$cut"}")
                done ;;
            plain,*)
                [[ $value == *[:/] ]] && compopt -o nospace
                COMPREPLY+=("${value#"$cut"}") ;;
        esac
    done
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class BashCompletion(BashComplete):
    """Asked with the whole line before the cursor, or as click asks."""

    source_template = SCRIPT

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one that is completed, without the program's; and that one."""
        line = os.environ.get("COMP_LINE")
        if line is None:
            return super().get_completion_args()
        words = split_arg_string(line)
        incomplete = "" if line[-1:].isspace() else words.pop()
        return words[1:], incomplete


add_completion_class(BashCompletion)


def completed(incomplete: str, limit: int) -> list[str]:
    """Whole addresses that begin so.

    Raises:
        CloudStoreError, click.UsageError
    """
    if ":" not in incomplete:
        return [f"{name}:" for name in profile_names() if name.startswith(incomplete)]
    place = parse_address(incomplete)
    if not isinstance(place, Remote):
        return []
    with Store.from_profile(place.profile) as store:
        if "/" not in incomplete.partition(":")[2]:
            names = [bucket.name for bucket in store.get_all_buckets(timeout=SECONDS)]
            return [f"{place.profile}:{name}/" for name in names if name.startswith(place.bucket)][
                :limit
            ]
        found = store.iter_objects(place.bucket, place.key, "/", timeout=SECONDS)
        keys = (entry.prefix if isinstance(entry, CommonPrefix) else entry.key for entry in found)
        return [f"{place.profile}:{place.bucket}/{key}" for key in islice(keys, limit)]
