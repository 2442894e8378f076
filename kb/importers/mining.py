"""From conversations to question → best-answer pairs, and to what was asked next. Everything is deterministic.

A customer's turn is a question if it asks for something that others could ask too. Its answer is what the agent says
before the next question, without greeting, waiting and asking back. Questions that are the same are one pair; the
answer given most often wins, among equals the most complete one. A turn that an existing pair already has, as question
or as phrasing, belongs to that pair. Masked personal data never reaches a pair: an answer that is about one customer is
left out, and a question for which no other answer is known is refused as too personal.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from kb.history import HistoryConversation, HistoryTurn
from kb.importers.chatter import asks_back, is_about_one_case, is_chatter, is_dependent, question_in, substantive
from kb.importers.grouping import Key, merged_keys, question_key
from kb.importers.privacy import PLACEHOLDER, KnownContacts, masked, names_in, without_placeholders
from kb.importers.records import QUESTION_LIMIT, Reject
from kb.importers.transcripts import Transcript, TranscriptTurn
from kb.text import clean_line, normalised


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One question of one conversation, asked in its turn number `place` from 0.

    `question` is empty where only a label tells what was asked, `answer` where none was given that can be used;
    `personal` says that there was one about this customer only.
    """

    place: int
    line: int
    question: str
    answer: str
    personal: bool
    pair_id: str
    intent: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A conversation without personal data, and what is asked in it."""

    transcript: Transcript
    asked: tuple[Asked, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class MinedPair:
    """A question with its best answer, the other ways in which it was asked, and the line it was first seen at."""

    group: int
    question: str
    answer: str
    phrasings: tuple[str, ...]
    topic: str
    file: str
    line: int


@dataclass(kw_only=True, slots=True)
class _Group:
    """All that was asked under one key."""

    first: tuple[str, int]
    questions: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    intents: Counter[str] = field(default_factory=Counter)
    personal: int = 0

    def take(self, other: "_Group") -> None:
        self.first = min(self.first, other.first)
        self.questions += other.questions
        self.answers += other.answers
        self.intents += other.intents
        self.personal += other.personal


class Miner:
    """Takes conversations one after the other, then gives the pairs in them, then what each turn asks for.

    It holds every different question and answer, and of each conversation what was asked where.
    """

    def __init__(self, *, pair_by_text: Mapping[str, str], pair_ids: Container[str]) -> None:
        """Take existing pairs, by the normalised text of question and phrasings, and by id."""
        self._pair_by_text = pair_by_text
        self._pair_ids = pair_ids
        self._groups: dict[Key, _Group] = {}
        self._asked: dict[tuple[str, str], list[tuple[int, str | Key]]] = {}
        self._number: dict[Key, int] = {}

    def add(self, prepared: Prepared) -> None:
        """Take in one conversation."""
        transcript = prepared.transcript
        found: list[tuple[int, str | Key]] = []
        for asked in prepared.asked:
            pair_id = self._existing(asked)
            if pair_id is not None:
                found.append((asked.place, pair_id))
            elif asked.question and not is_dependent(asked.question):
                found.append((asked.place, self._count(transcript.file, asked)))
        if found:
            self._asked[transcript.file, transcript.conversation_id] = found

    def pairs(self) -> Iterator[tuple[str, MinedPair | Reject]]:
        """Yield file and pair of every answered question; a Reject where every answer was about one customer."""
        merged: dict[Key, _Group] = {}
        roots = merged_keys(self._groups)
        for key in sorted(self._groups):
            group = self._groups[key]
            merged.setdefault(roots[key], _Group(first=group.first)).take(group)
        in_order = sorted(merged, key=lambda root: (merged[root].first, root))
        number_of = {root: number for number, root in enumerate(in_order)}
        self._number = {key: number_of[root] for key, root in roots.items()}
        for number, root in enumerate(in_order):
            found = _best_of(number, merged[root])
            if found is not None:
                yield merged[root].first[0], found

    def histories(
        self, conversations: Iterable[Prepared], pair_of_group: Mapping[int, str]
    ) -> Iterator[HistoryConversation]:
        """Yield the conversations with the pair that each turn asks for, where it is known.

        Args:
            conversations: Those that were added.
            pair_of_group: The pair id that each mined pair was stored under, by its group.
        """
        for transcript in (prepared.transcript for prepared in conversations):
            pair_at = {
                place: found if isinstance(found, str) else pair_of_group.get(self._number[found], "")
                for place, found in self._asked.get((transcript.file, transcript.conversation_id), [])
            }
            yield HistoryConversation(
                turns=tuple(
                    HistoryTurn(role=turn.role, text=turn.text, pair_id=pair_at.get(place, ""))
                    for place, turn in enumerate(transcript.turns)
                ),
                conversation_key=transcript.conversation_id,
                source=Path(transcript.file).name,
            )

    def _existing(self, asked: Asked) -> str | None:
        for label in (asked.pair_id, asked.intent):
            if label and label in self._pair_ids:
                return label
        return self._pair_by_text.get(normalised(asked.question)) if asked.question else None

    def _count(self, file: str, asked: Asked) -> Key:
        key = question_key(asked.question)
        group = self._groups.setdefault(key, _Group(first=(file, asked.line)))
        group.first = min(group.first, (file, asked.line))
        group.questions[asked.question] += 1
        group.personal += asked.personal
        if asked.answer:
            group.answers[asked.answer] += 1
        if asked.intent:
            group.intents[asked.intent] += 1
        return key


def prepare(transcript: Transcript, contacts: KnownContacts) -> Prepared:
    """Return the conversation without personal data, with what the customer asks in it and the agent answers to it."""
    names = names_in(turn.text for turn in transcript.turns)
    turns = tuple(replace(turn, text=masked(turn.text, names=names, contacts=contacts)) for turn in transcript.turns)
    asked: list[Asked] = []
    agent_asked = False
    for place, turn in enumerate(turns):
        if turn.role == "agent":
            agent_asked = asks_back(turn.text)
            continue
        question = clean_line(without_placeholders(turn.text)) if len(turn.text) <= QUESTION_LIMIT else ""
        question = question_in(question, after_question_back=agent_asked)
        if question or not is_chatter(turn.text):
            found = _with_answer(place, question, turns)
            if question or found.pair_id or found.intent:
                asked.append(found)
    return Prepared(transcript=replace(transcript, turns=turns), asked=tuple(asked))


def count_contacts(transcripts: Iterable[Transcript]) -> KnownContacts:
    """Return the addresses and numbers that agents give in the conversations."""
    contacts = KnownContacts()
    for transcript in transcripts:
        by_role: dict[str, list[str]] = {"agent": [], "customer": []}
        for turn in transcript.turns:
            by_role[turn.role].append(turn.text)
        contacts.add(by_role["agent"], by_role["customer"])
    return contacts


def _with_answer(place: int, question: str, turns: tuple[TranscriptTurn, ...]) -> Asked:
    """Read on until the agent has said something and the customer is back, or the customer says something new."""
    said: list[str] = []
    label = turns[place].pair_id
    for reply in turns[place + 1 :]:
        if reply.role == "agent":
            said.append(substantive(reply.text))
            label = label or reply.pair_id
        elif any(said) or not (is_chatter(reply.text) or (not said and not question_in(reply.text))):
            break
    answer = "\n\n".join(part for part in said if part)
    personal = bool(PLACEHOLDER.search(answer)) or is_about_one_case(answer)
    return Asked(
        place=place,
        line=turns[place].line,
        question=question,
        answer="" if personal else answer,
        personal=personal,
        pair_id=label,
        intent=turns[place].intent,
    )


def _best_of(number: int, group: _Group) -> MinedPair | Reject | None:
    file, line = group.first
    wordings = _ranked(group.questions)
    if group.answers:
        return MinedPair(
            group=number,
            question=wordings[0],
            answer=_best(group.answers),
            phrasings=tuple(wordings[1:]),
            topic=_best(group.intents) if group.intents else "",
            file=file,
            line=line,
        )
    if group.personal:
        reason = "too personal: every answer to this question is about one customer"
        return Reject(line=line, reason=reason, original=wordings[0])
    return None


def _ranked(questions: Counter[str]) -> list[str]:
    """Order the wordings of a question, each normalised text once, the one that stands for all first.

    That is the one asked most often; then one with a question mark; then the one in the most usual words, as a slip is
    rarer than the word it misses; then the shortest, and the first by alphabet.
    """
    asked: Counter[str] = Counter()
    usual: Counter[str] = Counter()
    for question, count in questions.items():
        asked[normalised(question)] += count
        usual.update(dict.fromkeys(normalised(question).split(), count))

    def preference(question: str) -> tuple[int, bool, float, int, str]:
        plain = normalised(question)
        words = plain.split() or [plain]
        usualness = sum(usual[word] for word in words) / len(words)
        return -asked[plain], not question.endswith(("?", "？", "؟")), -usualness, len(question), question

    unique: dict[str, str] = {}
    for question in sorted(questions, key=preference):
        unique.setdefault(normalised(question), question)
    return list(unique.values())


def _best(counts: Counter[str]) -> str:
    """Return the text counted most often; of several the longest, and then the first by alphabet."""
    return min(counts, key=lambda text: (-counts[text], -len(text), text))
