"""From answers to scores: what archetypes ask, what of it is open, and which questions scores are read from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import UInt64

from massjax.agents import PromptTemplate
from massjax.agents.archetype import Archetype
from massjax.agents.protocols.desk import every_choice
from massjax.agents.protocols.supposing import supposed
from massjax.agents.protocols.turns import Ask, Last, Played, Replies, play, text_replies
from massjax.answers.files import keys_of
from massjax.answers.log import ANSWERED, AnswerLog
from massjax.errors import StoreError
from massjax.models.forms import Form, Pick, Write
from massjax.models.probabilities import calibrated
from massjax.models.question import Question, question_keys
from massjax.row_words import counted
from massjax.scores.asks import Asks, Open, Read, Turn
from massjax.scores.inputs import Inputs
from massjax.scores.opinions import prior_of
from massjax.scores.views import View


@dataclass(frozen=True)
class Resolver:
    """Runs the protocols of archetypes against a log of answers.

    Attributes:
        inputs: what is wanted.
        template: of the prompts for scores.
        log: of questions and answers.
        models: digest of the identity of each model, by its name.
    """

    inputs: Inputs
    template: PromptTemplate
    log: AnswerLog
    models: Mapping[str, str]
    _kept: dict[str, Asks] = field(default_factory=dict)
    _keyed: WeakKeyDictionary[Ask, UInt64[np.ndarray, "Q 2"]] = field(default_factory=WeakKeyDictionary)

    def with_model(self, name: str, digest: str) -> Resolver:
        """The same, where a model turned out to be another one than was thought."""
        return self if self.models[name] == digest else Resolver(self.inputs, self.template, self.log, {**self.models, name: digest})

    def turn(self, archetype: Archetype, dates: slice | None = None, stocks: np.ndarray | None = None) -> Turn:
        """The next turn of an archetype.

        Args:
            archetype: one that asks a model.
            dates: of these alone; None = of all.
            stocks: [N] True for those that are asked about; None = about all.
        """
        view = self.inputs.view(archetype, dates, stocks)
        played = self._played(archetype, view)
        opened = [self._open(ask, last=False) for ask in played.before] + [self._open(ask, last=True) for ask in played.at_the_end]
        found = tuple(some for some in opened if some is not None)
        asks = None if played.last is None else self._asks(played.last, found, view)
        if asks is not None and dates is None and stocks is None:
            self._kept[archetype.name] = asks
        return Turn(asks, found, played.asked, played.waiting, view)

    def open_keys(self, archetype: Archetype) -> Iterator[tuple[str, UInt64[np.ndarray, "Q 2"]]]:
        """What is open of an archetype's next turn: names of models, and keys of what they would be asked.

        Prompts are rendered only where the keys of its scores are not known yet: these do not change as the log grows.
        """
        kept = self._kept_asks(archetype)
        if kept is None:
            yield from ((some.model, keys_of(some.questions)) for some in self.turn(archetype).open)
            return
        yield from kept.missing
        for read in kept.reads:
            yield read.model, read.all_keys[~self.log.known(read.all_keys)]

    def asks(self, archetype: Archetype) -> Asks:
        """What an archetype asks for its scores, on all dates.

        Raises:
            StoreError: answers before were not asked for yet.
        """
        kept = self._kept_asks(archetype)
        if kept is None:
            turn = self.turn(archetype)
            if turn.asks is None:
                raise StoreError(self.lacking(archetype, turn))
            kept = turn.asks
        return kept

    def _kept_asks(self, archetype: Archetype) -> Asks | None:
        """What was found before, unless an answer has come since that could not be had then."""
        kept = self._kept.get(archetype.name)
        return None if kept is None or any(self.log.known(keys).any() for _, keys in kept.missing) else kept

    def lacking(self, archetype: Archetype, turn: Turn) -> str:
        """Which answers an archetype has to have before it can go on, and what to do."""
        ask = turn.waiting[0]
        count = next(len(some.questions) for some in turn.open if some.ask is ask)
        what = "text" if isinstance(ask.form, Write) else "answer"
        lacks = f"archetype {archetype.name!r}: {ask.kind} {ask.role!r} lacks {counted(count, what)}"
        return f"{lacks}; run python -m massjax.precompute with this config to ask for {'it' if count == 1 else 'them'}"

    def conversation(self, archetype: Archetype, stock: int, date: int) -> list[tuple[str, Question]]:
        """All questions that a cell's score comes from, in the order of asking, each with what it is for.

        Args:
            archetype: one that asks a model.
            stock: its place in the panel.
            date: likewise.
        """
        stocks = np.arange(len(self.inputs.panel.stocks)) == stock
        dates = slice(date, date + 1)
        view = self.inputs.view(archetype, dates, stocks)
        played = self._played(archetype, view)
        found = []
        for place in view.places(stock, 0):
            about = view.about(place)[2]
            for ask in played.asked:
                model = self.models[self.inputs.model_named(ask.model)]
                row = 0 if ask.index is None else int(ask.index[place])
                later = " (not all of its answers are there yet)" if ask in played.waiting else ""
                if row >= 0 and ask.prompts:
                    found.append((f"{ask.title}{about}{later}", Question(model, ask.prompts[row], ask.form)))
                if row >= 0 and ask.prior is not None:
                    found.append((f"calibration{_of(ask)}: the same without facts", Question(model, ask.prior, ask.form)))
        return found

    def replies(self, ask: Ask) -> Replies:
        """What the log has of some questions; without the one that calibrates them it is as if they had no answers either."""
        keys = self._keys(ask)
        if isinstance(ask.form, Write):
            return text_replies([None if answer is None else answer.failure or answer.text for answer in self.log.answers(keys)])
        read = self._read(ask)
        probability, mass, codes = self.log.choices(read.keys, len(read.choices))
        prior, why_none = prior_of(read, self.log)
        codes = np.where(codes == ANSWERED, why_none, codes)
        found = Replies(codes, (), calibrated(probability, prior).astype(np.float32), mass)
        return replace(found, picks=self.log.picks(keys, ask.form.count)) if isinstance(ask.form, Pick) else found

    def later(self, archetype: Archetype) -> tuple[Ask, ...]:
        """What an archetype would ask after what it waits for, if made-up answers came to that: how much, not what."""
        view = self.inputs.view(archetype)
        reached = len(self._played(archetype, view).asked)
        steps = self.inputs.protocols[archetype.name].start(view.facts, view.member, self.template)
        return play(steps, lambda ask: supposed(ask, self.replies(ask))).asked[reached:]

    def _played(self, archetype: Archetype, view: View) -> Played:
        """How far an archetype's protocol comes with the answers that are in the log."""
        steps = self.inputs.protocols[archetype.name].start(view.facts, view.member, self.template)
        return play(steps, self.replies)

    def _asks(self, last: Last, opened: tuple[Open, ...], view: View) -> Asks:
        reads = tuple(
            replace(self._read(vote.ask), values=vote.values, needed=vote.needed, prior_too=vote.prior_too) for vote in last.votes
        )
        missing = tuple((some.model, keys_of(some.questions)) for some in opened if not some.last)
        return Asks(reads, last.opinion, last.lost, view, missing, last.apart, last.told)

    def _read(self, ask: Ask) -> Read:
        assert ask.index is not None
        keys = self._keys(ask)
        prior = None if ask.prior is None else keys[-1:]
        name = self.inputs.model_named(ask.model)
        return Read(ask.role, name, keys if prior is None else keys[:-1], ask.index, prior, ask.form, every_choice)

    def _keys(self, ask: Ask) -> UInt64[np.ndarray, "Q 2"]:
        """Of its questions, and of the one that calibrates, if there is one, at the end."""
        if ask not in self._keyed:
            prompts = ask.prompts if ask.prior is None else [*ask.prompts, ask.prior]
            self._keyed[ask] = question_keys(self.models[self.inputs.model_named(ask.model)], ask.form, prompts)
        return self._keyed[ask]

    def _open(self, ask: Ask, *, last: bool) -> Open | None:
        """What of some questions the log does not answer; None where nothing is open."""
        name, rows = self.inputs.model_named(ask.model), np.flatnonzero(~self.log.known(self._keys(ask))).tolist()
        prompts = ask.prompts if ask.prior is None else [*ask.prompts, ask.prior]
        left, digest = dict.fromkeys([prompts[row] for row in rows]), self.models[name]
        questions = tuple([Question(digest, prompt, ask.form) for prompt in left])
        return Open(name, questions, ask, last) if questions else None


def _of(ask: Ask) -> str:
    return f" of {ask.title}" if ask.kind else ""


def forms_of(inputs: Inputs, model: str) -> tuple[Form, ...]:
    """The forms of all answers that a model is asked for, as far as protocols tell before they are run."""
    parts = (part for archetype in inputs.asking for part in inputs.protocols[archetype.name].parts)
    return tuple(dict.fromkeys(part.form for part in parts if part.form is not None and inputs.model_named(part.model) == model))


def date_blocks(dates: int, together: int) -> Iterator[slice]:
    """Successive dates, `together` at a time."""
    return (slice(start, min(start + together, dates)) for start in range(0, dates, together))
