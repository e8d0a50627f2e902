"""Keys on their way into a header: checked before, and never seen again in an error."""

from __future__ import annotations

from twotier.errors import NoModelError, TierUnavailableError, UpstreamError


def checked_key(key: str, owner: str) -> str:
    """The key, fit for a header. Raises `TierUnavailableError` that says how to give one."""
    key = key.strip()
    if not key:
        raise NoModelError(
            f"there is no key for {owner}; set the tier's `key`, "
            'for example `key = "env:ANTHROPIC_API_KEY"`, and give that variable a value'
        )
    if not (key.isascii() and key.isprintable()):
        raise TierUnavailableError(
            f"the key for {owner} has characters that no key has; copy it again, in one line"
        )
    return key


def without_key(error: UpstreamError, key: str) -> UpstreamError:
    """The error, with the key cut out of its message: some servers quote what they were sent."""
    if key not in error.message:
        return error
    return UpstreamError(
        error.message.replace(key, "[key]"),
        upstream_status=error.upstream_status,
        upstream_kind=error.upstream_kind,
        retry_after_seconds=error.retry_after_seconds,
        started=error.started,
    )
