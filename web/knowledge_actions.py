"""What scripts of the console may ask of the knowledge base: find pairs, add one, put what was edited in service."""

from typing import Any

import gradio as gr

from kb.editing import add_pair
from kb.operators import Operator
from kb.types import QAPair
from web.desk import Desk
from web.operator_actions import Action, told

_MOST_FOUND = 8


def knowledge_actions(desk: Desk) -> list[Action]:
    """Return the functions that scripts call by their names."""

    def find_pairs(payload: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        def work(_: Operator) -> dict[str, Any]:
            matches = desk.bot_now().rank(str(payload.get("text", "")))[:_MOST_FOUND]
            return {"pairs": [{"pair_id": each.pair.pair_id, "question": each.pair.question} for each in matches]}

        return told(request, "viewer", work)

    def new_pair(payload: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        def work(operator: Operator) -> dict[str, Any]:
            question, answer, topic = (str(payload.get(name, "")) for name in ("question", "answer", "topic"))
            pair = QAPair(pair_id="", question=question, answer=answer, topic=topic, source="console")
            return {"pair_id": add_pair(desk.store, pair, operator.operator_id)}

        return told(request, "editor", work)

    def publish(payload: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        def work(operator: Operator) -> dict[str, Any]:
            desk.jobs.start("publish", ["index"])
            desk.store.note(operator.operator_id, "published", f"version {desk.store.version()}")
            return {}

        return told(request, "editor", work)

    def published(payload: dict[str, Any], request: gr.Request) -> dict[str, Any]:
        return told(request, "viewer", lambda _: _published(desk))

    return [find_pairs, new_pair, publish, published]


def _published(desk: Desk) -> dict[str, Any]:
    """Return which version is known and which is served, and how publishing goes."""
    state = desk.jobs.state()
    failed = state is not None and bool(state.exit_code)
    return {
        "version": desk.store.version(),
        "served": int(desk.bot_now().snapshot.knowledge_version),
        "running": state is not None and state.exit_code is None,
        "problem": state.lines[-1] if state is not None and failed and state.lines else "",
    }
