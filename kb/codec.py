"""Replies to JSON and back: the one place that knows the JSON form, which is what REST sends and the log keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from kb.types import Assignment, Context, Explanation, FollowUp, Reply, Response, RunnerUp, Snapshot, Told, Turn


def reply_to_json(reply: Reply) -> dict[str, Any]:
    """Return the reply as plain dicts and lists, ready for `json.dumps`."""
    document = asdict(reply)
    document["explanation"]["features"] = dict(reply.explanation.features)
    for key in ("responses", "follow_ups"):
        document[key] = list(document[key])
    if reply.explanation.told is not None:
        for key in ("history", "earlier"):
            document["explanation"]["told"][key] = list(getattr(reply.explanation.told, key))
    if reply.explanation.experiment is not None:
        document["explanation"]["experiment"]["teams"] = list(reply.explanation.experiment.teams)
    for key in ("runners_up", "rules"):
        document["explanation"][key] = list(document["explanation"][key])
    return document


def reply_from_json(document: Mapping[str, Any]) -> Reply:
    """Return the reply that `reply_to_json` wrote, now or before rules; KeyError or TypeError where it is not one."""
    explanation = document["explanation"]
    return Reply(
        turn_id=document["turn_id"],
        outcome=document["outcome"],
        message=document["message"],
        responses=tuple(Response(**response) for response in document["responses"]),
        follow_ups=tuple(FollowUp(**follow_up) for follow_up in document["follow_ups"]),
        confidence=document["confidence"],
        explanation=Explanation(
            understood=explanation["understood"],
            reason=explanation["reason"],
            threshold=explanation["threshold"],
            features=dict(explanation["features"]),
            runners_up=tuple(RunnerUp(**runner_up) for runner_up in explanation["runners_up"]),
            told=_told_from_json(explanation.get("told")),
            # Turns that were logged before conversations were understood have none.
            context=explanation.get("context", ""),
            rules=tuple(explanation.get("rules", ())),
            hand_over=explanation.get("hand_over", ""),
            experiment=_assignment_from_json(explanation.get("experiment")),
        ),
        snapshot=Snapshot(**document["snapshot"]),
        offers_person=document.get("offers_person", False),
    )


def told_of(context: Context) -> Told:
    """Return what a replay needs of a context; `context_of` makes the context again."""
    return Told(
        locale=context.locale,
        history=tuple(turn.turn_id for turn in context.history),
        asked_at=context.asked_at.isoformat() if context.asked_at else "",
        clicked=context.clicked,
        earlier=context.earlier,
    )


def context_of(told: Told, turn: Turn, history: Sequence[Turn]) -> Context:
    """Return the context of a logged turn, given the turns that `told` names."""
    return Context(
        turn_id=turn.turn_id,
        conversation_id=turn.conversation_id,
        locale=told.locale,
        history=tuple(history),
        asked_at=datetime.fromisoformat(told.asked_at) if told.asked_at else None,
        clicked=told.clicked,
        earlier=told.earlier,
    )


def _told_from_json(document: Mapping[str, Any] | None) -> Told | None:
    if document is None:
        return None
    lists = {key: tuple(document.get(key, ())) for key in ("history", "earlier")}
    return Told(**{**document, **lists})


def _assignment_from_json(document: Mapping[str, Any] | None) -> Assignment | None:
    return None if document is None else Assignment(**{**document, "teams": tuple(document["teams"])})
