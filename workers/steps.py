"""What a handler has done already: its steps, each done once, and its cooldowns."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from core.ledger import cooldowns, steps
from core.ledger.claims import Claim
from core.ledger.database import Database
from core.ledger.models import StepState
from core.ledger.outcomes import storable
from handlers.errors import Fail, UncertainStepError
from workers.jsonable import to_json_form
from workers.retry import is_outcome_unknown


class LedgerSteps:
    """The steps of one delivery, remembered in the ledger."""

    def __init__(self, database: Database, claim: Claim, now: Callable[[], datetime]) -> None:
        self._database = database
        self._claim = claim
        self._now = now

    def run(self, name: str, function: Callable[[], Any], *, repeatable: bool) -> Any:
        """Return the remembered result, or do the step and remember its result.

        Raises:
            UncertainStepError: The step began before, or has just been cut off, and whether it took
                effect is unknown.
            Fail: It has taken effect, but its result has no JSON form.
        """
        name = storable(name)
        known = steps.begin(self._database, self._claim, name, self._now())
        if known is not None and known.state is StepState.DONE:
            return known.result
        if known is not None and not repeatable:
            raise UncertainStepError(name)
        try:
            returned = function()
        except Exception as error:
            if is_outcome_unknown(error) and not repeatable:
                raise UncertainStepError(name) from error
            steps.forget(self._database, self._claim, name)
            raise
        return self._remember(name, returned)

    def _remember(self, name: str, returned: Any) -> Any:
        try:
            result = to_json_form(returned)
        except ValueError as error:
            # It has taken effect, and must not do so again.
            steps.finish(self._database, self._claim, name, None, self._now())
            raise Fail(f"step {name!r} is done, but its result has no JSON form: {error}") from None
        steps.finish(self._database, self._claim, name, result, self._now())
        return result


class LedgerCooldowns:
    """What one handler does only once in a while, remembered in the ledger."""

    def __init__(self, database: Database, claim: Claim, now: Callable[[], datetime]) -> None:
        self._database = database
        self._claim = claim
        self._now = now

    def begin(self, key: str, seconds: float) -> bool:
        """Begin a period, unless another event's is not over."""
        now = self._now()
        return cooldowns.begin(
            self._database, self._claim, storable(key), now, timedelta(seconds=seconds)
        )
