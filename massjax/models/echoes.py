"""Log-probabilities of a prompt's own tokens over HTTP (`echo`), and whether a server tells any, which its first replies show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from massjax.models.failures import Failure, Reason
from massjax.models.http import Reply, Requests
from massjax.models.opening import ALIKE, MAY_PASS, OF_ONE_PROMPT, nothing_answered
from massjax.models.refusals import cure
from massjax.models.token_replies import Echoed, read_echo
from massjax.models.user_tokens import Placed

PATH = "/completions"


class Echoes:
    """Asks for what a server tells of prompts; one that has not told it of three, or says that it never will, is not asked again.

    That ends no run: a server that answers questions of other forms may well not answer this one, and a failure names it.
    """

    def __init__(self, requests: Requests) -> None:
        self.requests = requests
        self._told = False
        self._alike = 0
        self._never: Failure | None = None

    def ask(self, prompts: Sequence[Placed], common: Mapping[str, Any]) -> list[Echoed | Failure]:
        """What the server tells of each prompt, or why it does not.

        Args:
            prompts: as token ids.
            common: fields of every request, among them that one token may be said.

        Raises:
            ModelError: the server is not there, or refuses every request.
        """
        shaped = {"echo": True, "logprobs": 1, "return_tokens_as_token_ids": True, "add_special_tokens": False}
        bodies = [{**common, "prompt": prompt.ids, **shaped} for prompt in prompts]
        readers = [lambda body, ids=prompt.ids: read_echo(body, ids) for prompt in prompts]
        replies = list[Reply[Echoed]]()
        while len(replies) < len(bodies) and not self._told and self._never is None:
            row = len(replies)
            replies += self.requests.post(PATH, [bodies[row]], [readers[row]])
            if not self._goes_on(replies[-1].failure, bodies[row]):
                break
        rest = range(len(replies), len(bodies))
        if self._never is not None:
            replies += [Reply(None, self._never) for _ in rest]
        else:
            replies += self.requests.post(PATH, [bodies[row] for row in rest], [readers[row] for row in rest])
        found = [reply.failure if reply.value is None else reply.value for reply in replies]
        if all(isinstance(one, Failure) and one.reason in MAY_PASS for one in found):
            nothing_answered(self.requests.settings.url, found, bodies, answered_before=False)
        return [one or Failure(Reason.OTHER) for one in found]

    def _goes_on(self, failure: Failure | None, body: Mapping[str, Any]) -> bool:
        """Keep what a first reply shows; whether the next one is to be looked at by itself too."""
        if failure is None:
            self._told = True
        elif failure.reason not in MAY_PASS | OF_ONE_PROMPT:
            self._alike += 1
            said = failure.reason is Reason.REFUSED and cure(failure.words, body)
            if said or self._alike == ALIKE:
                self._never = Failure(Reason.UNASKABLE, f"{failure.words}{f'; {said}' if said else ''}")
        return failure is None or failure.reason not in MAY_PASS
