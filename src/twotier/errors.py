"""Every error twotier raises on purpose, on one page.

Each class says how it looks from outside: the HTTP status, the `type` and `code` of an OpenAI
error body, and the exit code of the command line (0 ok, 1 failed, 2 usage, 3 not running,
4 budget). The message always says what to do next. Foreign errors are translated where they come
in, with `from`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

# How upstreams say that an account has no credit: Anthropic, and OpenAI under status 429.
BILLING_KINDS = frozenset({"billing_error", "insufficient_quota"})
# A model that was told in words what to answer, and answered otherwise: its server is well.
UNFIT_KIND = "answer_unfit"
HANDED_OVER_KIND = "handed_over"  # broken off by us; its tier did its work

NOTED_CHARACTERS_MAX = 300
KIND_CHARACTERS_MAX = 60  # a type is a word; what is longer is something else
# What readers of JSON and TOML raise at what is none, is no text at all, or is nested too deep.
NOT_READABLE = (ValueError, RecursionError)


class TwotierError(Exception):
    """The root: something twotier understood and can explain.

    `spent`: we have tried again as often as we may, so a client should not. `request_id` is what
    the log calls the request that met it, empty outside one.
    """

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "api_error"
    code: ClassVar[str] = "internal_error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_seconds = retry_after_seconds
        self.spent = False
        self.request_id = ""

    @property
    def noted(self) -> str:
        """What log and ledger may hold of it: its code and the sentence it was raised with.

        Never an upstream's sentence, which may quote the prompt; that is for the client alone.
        """
        if isinstance(self.__cause__, UpstreamError):
            return f"{self.code}: {self.__cause__.noted}"
        return f"{self.code}: {self.args[0]}"[:NOTED_CHARACTERS_MAX]


class ConfigError(TwotierError):
    """The configuration cannot be used; names the file, the path of the key and a way out."""

    code = "config_error"
    exit_code = 2


class UsageError(TwotierError):
    """A command was called in a way it does not understand."""

    code = "usage_error"
    exit_code = 2


class NotRunningError(TwotierError):
    """The command needs the main process and none answers on its socket."""

    status = 503
    code = "not_running"
    exit_code = 3


class AlreadyRunningError(TwotierError):
    """A second main (or worker) process was started on the same state folder."""

    code = "already_running"


class LockedError(TwotierError):
    """Another command holds a file for longer than it ever should."""

    code = "locked"


class RequestError(TwotierError):
    """The request itself is wrong; sending it again unchanged cannot help."""

    status = 400
    kind = "invalid_request_error"
    code = "invalid_request"


class TooLongError(RequestError):
    """The prompt plus the reserved output does not fit the window of any allowed tier."""

    code = "context_length_exceeded"


class ThreadError(RequestError):
    """The request goes on with a conversation whose beginning only its provider keeps.

    Nobody could say what it costs, or send it to another tier. Anthropic's own clients know the
    code, and send the whole conversation instead.
    """

    code = "thread_unsupported_request"


class UnsayableError(RequestError):
    """This tier cannot be told what the request says; another may be asked instead."""

    code = "cannot_be_said"


class AuthError(TwotierError):
    """No key, or one that does not exist."""

    status = 401
    kind = "authentication_error"
    code = "invalid_api_key"


class TooManyTriesError(TwotierError):
    """Too many wrong codes at the dashboard's door; nobody is let in for a minute."""

    status = 429
    kind = "authentication_error"
    code = "too_many_tries"


class ForbiddenError(TwotierError):
    """Known caller, but this Host, Origin or policy is not allowed."""

    status = 403
    kind = "permission_error"
    code = "forbidden"


class UnknownModelError(TwotierError):
    """A model name that is neither a tier, an alias, a configured model nor a priced vendor id."""

    status = 404
    kind = "invalid_request_error"
    code = "model_not_found"


class NotFoundError(TwotierError):
    """A path, job or run that does not exist."""

    status = 404
    kind = "invalid_request_error"
    code = "not_found"


class MethodError(TwotierError):
    """The path exists, and takes another method."""

    status = 405
    kind = "invalid_request_error"
    code = "method_not_allowed"

    def __init__(self, message: str, *, methods: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.methods = methods  # those it takes


class UnderWayError(TwotierError):
    """A request with this Idempotency-Key is being answered now; come back for its answer."""

    status = 409
    kind = "invalid_request_error"
    code = "request_under_way"


class KeyReusedError(TwotierError):
    """This Idempotency-Key has been used for another path or another body."""

    status = 422
    kind = "invalid_request_error"
    code = "idempotency_key_reused"


class TooLargeError(TwotierError):
    """The body is larger than `gateway.body_bytes_max`."""

    status = 413
    kind = "invalid_request_error"
    code = "request_too_large"


class BudgetError(TwotierError):
    """A limit would be passed. 402, because SDKs repeat a 429 by themselves and never a 402.

    `facts` say in fields what the sentence says: which budget, its limit, what is spent and
    reserved, when it starts anew. `passing`: only money that is held for answers on their way
    stands in the way.
    """

    status = 402
    kind = "insufficient_quota"
    code = "budget_reached"
    exit_code = 4

    def __init__(
        self, message: str, *, facts: Mapping[str, str] | None = None, passing: bool = False
    ) -> None:
        super().__init__(message)
        self.facts: Mapping[str, str] = facts or {}
        self.passing = passing


class PriceUnknownError(TwotierError):
    """A model without a price is refused: an unknown price is never taken for free."""

    status = 402
    kind = "insufficient_quota"
    code = "price_unknown"


class LedgerError(TwotierError):
    """The ledger cannot be written: nothing that costs money may be asked."""

    status = 503
    code = "ledger_unavailable"


class BackupError(TwotierError):
    """No backup could be made, or one could not be restored; what was there before is untouched."""

    code = "backup_failed"


class TierUnavailableError(TwotierError):
    """The tier cannot be asked now: not reachable, still loading, no key, or quarantined.

    `unreachable`: nothing listens where it should be, or no connection came about.
    """

    status = 503
    code = "tier_unavailable"

    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        unreachable: bool = False,
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.unreachable = unreachable


class NoModelError(TierUnavailableError):
    """There is no model to ask: no tier is configured, or none of them has a key yet."""

    code = "no_model"


class QueueFullError(TierUnavailableError):
    """All slots of the tier are taken, and the line in front of them is too long."""

    status = 429
    kind = "rate_limit_error"
    code = "queue_full"


class UpstreamError(TwotierError):
    """The upstream answered with an error; its status and type keep their meaning.

    `upstream_status` is the upstream's own HTTP status (529 stays 529), `upstream_kind` its error
    type, for example `overloaded_error` or `rate_limit_error`. `started` says whether the upstream
    may have begun to work, and so to charge.
    """

    status = 502
    code = "upstream_error"

    def __init__(
        self,
        message: str,
        *,
        upstream_status: int,
        upstream_kind: str = "api_error",
        retry_after_seconds: float | None = None,
        started: bool = False,
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.upstream_status = upstream_status
        self.upstream_kind = upstream_kind
        self.started = started

    @property
    def noted(self) -> str:
        """Its status and type in place of its sentence; without a status the sentence is ours."""
        if not self.upstream_status:
            return f"{self.code}: {self.args[0]}"[:NOTED_CHARACTERS_MAX]
        kind = self.upstream_kind[:KIND_CHARACTERS_MAX]
        return f"{self.code}: {self.upstream_status} {kind}"

    @property
    def billing(self) -> bool:
        """Whether it is the owner's account that is empty: no wait and no other body mends that."""
        return self.upstream_kind in BILLING_KINDS


class StreamBrokenError(TwotierError):
    """The upstream's stream ended without its terminator: half an answer, never a success."""

    status = 502
    code = "stream_broken"


class DeadlineError(TwotierError):
    """One of the four times ran out: connect, first token, idle between events, total."""

    status = 504
    kind = "timeout_error"
    code = "deadline_passed"


class StoppingError(TwotierError):
    """The program is being stopped, and this answer did not end in time."""

    status = 503
    code = "stopping"


class EngineError(TwotierError):
    """A local model server cannot be installed, started or asked."""

    status = 503
    code = "engine_error"


class ServiceError(TwotierError):
    """The machine's own service manager cannot, or does not, do what was asked of it."""

    code = "service_error"


class JobError(TwotierError):
    """A job cannot be run or its result cannot be delivered."""

    code = "job_error"


class PausedError(JobError):
    """The worker stops; the run goes on after its next start."""

    code = "paused"


class WatchError(JobError):
    """A watcher could not look. This is never the same as "nothing new"."""

    code = "could_not_look"


class ToolError(JobError):
    """A tool could not do what the model asked; the sentence goes back to the model."""

    code = "tool_error"


class ReachError(JobError):
    """An address could not be asked: nothing came back, or it must not be reached.

    `forbidden`: the rules say no, so that trying again cannot help. `page_status` is the HTTP
    status where the other side answered with an error, else 0. `too_large`: there is more than may
    be read, so less may be asked for.
    """

    code = "not_reached"

    def __init__(
        self,
        message: str,
        *,
        forbidden: bool = False,
        page_status: int = 0,
        too_large: bool = False,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.forbidden = forbidden
        self.page_status = page_status
        self.too_large = too_large


class StuckError(JobError):
    """An agent's turn ended without a result: a limit was reached, or it went round in circles."""

    code = "stuck"


class ApprovalWaitsError(JobError):
    """A call of a tool needs its owner's yes; the run goes on when there is one, or a no."""

    code = "waiting_approval"


class FeeError(JobError):
    """A fee must not be made, or could not be booked: the sentence is the ledger's."""

    code = "fee_refused"


class DeliveryError(JobError):
    """A result is there and stored, but could not be handed over yet.

    `refused`: the other side was there and did not want this one; another message may do better.
    """

    code = "not_delivered"

    def __init__(
        self,
        message: str,
        *,
        refused: bool = False,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.refused = refused


# What a decision that allows no tier becomes, by the code it carries.
REFUSALS: Mapping[str, type[TwotierError]] = {
    refusal.code: refusal
    for refusal in (
        UnknownModelError,
        ForbiddenError,
        TooLongError,
        RequestError,
        PriceUnknownError,
        TierUnavailableError,
        NoModelError,
    )
}


def first_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error inside nested groups."""
    first = group.exceptions[0]
    return first_cause(first) if isinstance(first, BaseExceptionGroup) else first


def error_told(body: Mapping[str, Any], status: int, *, otherwise: str) -> TwotierError:
    """The error that a process of ours tells another: the class with the code of its body, and its
    sentence; `otherwise` where it has none.
    """
    error = body.get("error")
    told = error if isinstance(error, dict) else {}
    message = str(told.get("message") or otherwise)
    found = {kind.code: kind for kind in family(TwotierError)}.get(str(told.get("code")))
    if found is not None and issubclass(found, UpstreamError):
        return UpstreamError(message, upstream_status=status)
    return (found or TwotierError)(message)


def family(root: type[TwotierError]) -> Iterator[type[TwotierError]]:
    """A class of errors and all below it."""
    yield root
    for child in root.__subclasses__():
        yield from family(child)
