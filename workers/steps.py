"""What a handler has done already: its steps, each done once, and its cooldowns."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

from core.ledger import cooldowns, steps
from core.ledger.claims import Claim
from core.ledger.database import Database
from core.ledger.models import StepState
from core.ledger.outcomes import storable
from core.ledger.steps import Step
from handlers.errors import Fail, UncertainStepError
from workers.jsonable import to_json_form
from workers.retry import is_outcome_unknown

Result = TypeVar("Result")


class Ledger(Protocol):
    """Carries out a handler's transactions."""

    def carry_out(self, action: Callable[[], Result]) -> Result:
        """Do a whole transaction, however long the database is away."""


class LedgerSteps:
    """The steps of one attempt, remembered in the ledger across attempts.

    Args:
        ledger: Carries out transactions.
        database: What they are made with.
        claim: The attempt.
        now: The clock.
    """

    def __init__(
        self, ledger: Ledger, database: Database, claim: Claim, now: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._database = database
        self._claim = claim
        self._now = now
        self._begun: set[str] = set()
        self._calls: Counter[str] = Counter()

    def run(self, name: str, function: Callable[[], Any], *, repeatable: bool) -> Any:
        """Return the remembered result, or do the step and remember its result.

        Raises:
            UncertainStepError: The step began before, or has just been cut off, and whether it took
                effect is unknown.
            LostClaimError: The attempt isn't the delivery's current one any more.
            Fail: It has taken effect, but its result has no JSON form.
        """
        name = storable(name)
        known = self._begin(name, repeatable=repeatable)
        if known is not None and known.state is StepState.DONE:
            return known.result
        if known is not None and not repeatable:
            raise UncertainStepError(name)
        try:
            returned = function()
        except Exception as error:
            if is_outcome_unknown(error) and not repeatable:
                raise UncertainStepError(name) from error
            self._forget(name, repeatable=repeatable)
            raise
        return self._remember(name, returned)

    def run_call(
        self,
        name: str,
        function: Callable[[], Any],
        *,
        repeatable: bool,
        prepare: Callable[[], None],
    ) -> Any:
        """Make a call of the API a step by itself.

        The same call made again in one attempt is another step: it is meant to happen twice. One
        that failed without effect doesn't count, so that later attempts number them alike.

        A worker may die while `prepare` waits: nothing has begun then, and nothing is in doubt.
        """
        count = self._calls[name] + 1
        full_name = name if count == 1 else f"{name} #{count}"
        if not repeatable and not self._is_known(full_name):
            prepare()
        returned = self.run(full_name, function, repeatable=repeatable)
        self._calls[name] = count
        return returned

    def _is_known(self, name: str) -> bool:
        """Whether an earlier attempt began this step."""
        if self._claim.attempt == 1:
            return False
        look = partial(steps.look, self._database, self._claim, storable(name))
        return self._ledger.carry_out(look) is not None

    def _begin(self, name: str, *, repeatable: bool) -> Step | None:
        def begin() -> Step | None:
            return steps.begin(
                self._database, self._claim, name, self._now(), repeatable=repeatable
            )

        known = self._ledger.carry_out(begin)
        is_first = name not in self._begun
        self._begun.add(name)
        if known is not None and known.state is StepState.STARTED and is_first:
            # We wrote that ourselves, and the answer to the commit got lost.
            return None if known.attempt == self._claim.attempt else known
        return known

    def _forget(self, name: str, *, repeatable: bool) -> None:
        if not repeatable:
            self._ledger.carry_out(partial(steps.forget, self._database, self._claim, name))

    def _remember(self, name: str, returned: Any) -> Any:
        try:
            result = to_json_form(returned)
        except ValueError as error:
            # It has taken effect, and must not do so again.
            self._finish(name, None)
            raise Fail(f"step {name!r} is done, but its result has no JSON form: {error}") from None
        self._finish(name, result)
        return result

    def _finish(self, name: str, result: Any) -> None:
        finish = partial(steps.finish, self._database, self._claim, name, result, self._now())
        self._ledger.carry_out(finish)


class LedgerCooldowns:
    """What one handler does only once in a while, remembered in the ledger."""

    def __init__(
        self, ledger: Ledger, database: Database, claim: Claim, now: Callable[[], datetime]
    ) -> None:
        self._ledger = ledger
        self._database = database
        self._claim = claim
        self._now = now

    def begin(self, key: str, seconds: float) -> bool:
        """Begin a period, unless another event's is not over."""
        now, period = self._now(), timedelta(seconds=seconds)
        begin = partial(cooldowns.begin, self._database, self._claim, storable(key), now, period)
        return self._ledger.carry_out(begin)
