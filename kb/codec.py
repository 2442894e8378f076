"""Replies to JSON and back: the one place that knows the JSON form, which is what REST sends and the log keeps."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from kb.types import Explanation, FollowUp, Reply, Response, RunnerUp, Snapshot


def reply_to_json(reply: Reply) -> dict[str, Any]:
    """Return the reply as plain dicts and lists, ready for `json.dumps`."""
    document = asdict(reply)
    document["explanation"]["features"] = dict(reply.explanation.features)
    for key in ("responses", "follow_ups"):
        document[key] = list(document[key])
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
            rules=tuple(explanation.get("rules", ())),
            hand_over=explanation.get("hand_over", ""),
        ),
        snapshot=Snapshot(**document["snapshot"]),
        offers_person=document.get("offers_person", False),
    )
