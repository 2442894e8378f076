"""The command line as a typer application."""

import typer

from bot.cli import (
    checkpoints,
    clicks,
    demo,
    dial,
    evaluate,
    evaluate_clicks,
    evaluate_dialogues,
    evaluate_follow_ups,
    evaluate_next,
    evaluate_offline,
    evaluate_suggestions,
    knowledge,
    offline,
    operators,
    replay,
    train,
    tune,
)

app = typer.Typer(
    name="frontdesk",
    help="A customer-service bot that answers from an organisation's own answered questions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("import")(knowledge.import_)
app.command("index")(knowledge.index)
app.command("export")(knowledge.export)
app.command("dial")(dial.dial)
app.command("train")(train.train)
app.command("tune")(tune.tune_)
app.command("replay")(replay.replay)
evaluate.app.command("dialogues")(evaluate_dialogues.dialogues)
app.command("clicks")(clicks.clicks)
app.command("audit")(operators.audit)
evaluate.app.command("clicks")(evaluate_clicks.clicks)
evaluate.app.command("follow-ups")(evaluate_follow_ups.follow_ups)
evaluate.app.command("next")(evaluate_next.next_)
evaluate.app.command("suggestions")(evaluate_suggestions.suggestions)
evaluate.app.command("offline")(evaluate_offline.offline)
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(operators.app, name="operators")
app.add_typer(checkpoints.app, name="checkpoints")
app.add_typer(offline.app, name="offline")
