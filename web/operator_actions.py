"""What scripts of the console call: functions of one JSON object each, done as who is logged in.

What an operator can cause is answered with `{"error": "..."}`; anything else is a defect, and is left to fail loudly.
"""

from collections.abc import Callable
from typing import Any, cast

import gradio as gr

from kb.errors import FrontdeskError
from kb.operators import Operator, Role
from web.auth import operator_of

Action = Callable[[dict[str, Any], gr.Request], dict[str, Any]]


def told(request: gr.Request, role: Role, work: Callable[[Operator], dict[str, Any]]) -> dict[str, Any]:
    """Return what work gives, done as who is logged in; in words what they may not, or what went wrong."""
    # Gradio hands over the request itself here, and not one of its own.
    operator = operator_of(cast(Any, request))
    if not operator.may(role):
        return {"error": f"This needs the role {role}; yours is {operator.role}."}
    try:
        return work(operator)
    except FrontdeskError as error:
        return {"error": str(error)}
