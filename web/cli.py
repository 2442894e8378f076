"""`frontdesk`: the entry point. It adds to the commands of `bot.cli` those that need the web's ChatService.

It stands in `web` because `serve` starts the web application, and `bot` knows nothing of `web`.
"""

from dataclasses import asdict, replace
from typing import Annotated

import typer

from bot.attribution import Attribution
from bot.build import Frontdesk, open_frontdesk
from bot.cli.app import app
from bot.cli.common import DEFAULT_VAR, AsJson, ConfigFile, Var, config_of, errors, run, say, show
from kb.operators import Operators
from kb.outbox import Outbox
from kb.types import Reply
from web.delivery import Deliverer, channels_of
from web.desk import Desk
from web.jobs import Jobs
from web.records import Answered, answered_to_json
from web.service import ChatService

CHANNEL = "cli"


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What a customer would write.")],
    conversation: Annotated[str | None, typer.Option("--conversation", help="Id of one to go on with.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Also tell why, and which words mattered.")] = False,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask the bot one question; the turn is logged like any other."""
    settings = config_of(var, config)
    frontdesk = open_frontdesk(var, settings, channels_of(settings.hand_over, settings.branding, var))
    try:
        service = _service(frontdesk)
        answered = service.ask(question, conversation, channel=CHANNEL)
        attribution = service.attribution(answered.reply) if explain else None
    finally:
        frontdesk.close()
    if as_json:
        told = {"attribution": asdict(attribution) if attribution else None} if explain else {}
        show(answered_to_json(answered) | told)
        return
    _say(answered)
    if explain:
        _explain(answered.reply, attribution)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option("--host", help="Address to listen at.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen at; 0 takes a free one.")] = None,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
) -> None:
    """Serve the chat page and the REST API until Ctrl-C; a new index is taken up while it runs."""
    settings = config_of(var, config)
    web = settings.web
    web = replace(web, host=web.host if host is None else host, port=web.port if port is None else port)
    # Gradio takes seconds to import: an index that can't be served is told of before.
    channels = channels_of(settings.hand_over, settings.branding, var)
    frontdesk = open_frontdesk(var, settings, channels)
    deliverer = Deliverer(Outbox(frontdesk.engine), channels, settings.hand_over)
    jobs = Jobs(var, config)
    try:
        from web.app import create_app
        from web.http import listen
        from web.http import serve as serve_app

        desk = Desk(
            bot_now=lambda: frontdesk.bot.bot,
            engine=frontdesk.engine,
            store=frontdesk.store,
            operators=Operators(frontdesk.engine),
            jobs=jobs,
        )
        application = create_app(_service(frontdesk), replace(settings, web=web), desk=desk)
        with listen(web) as listener:
            address = listener.getsockname()
            errors.print(f"frontdesk answers at http://{_host(address[0])}:{address[1]}/ (stop it with Ctrl-C)")
            deliverer.start()
            serve_app(application, web, listener)
    finally:
        jobs.stop()
        deliverer.close()
        frontdesk.close()


@app.command()
def playground(
    port: Annotated[int, typer.Option("--port", help="Port to listen at; 0 takes a free one.")] = 7861,
    var: Var = DEFAULT_VAR,
    config: ConfigFile = None,
) -> None:
    """Serve a page on which to try how answers are selected, at this machine alone, until Ctrl-C."""
    settings = config_of(var, config)
    web = replace(settings.web, host="127.0.0.1", port=port)
    frontdesk = open_frontdesk(var, settings)
    try:
        from web.http import listen
        from web.http import serve as serve_app
        from web.playground import create_playground

        application = create_playground(lambda: frontdesk.bot.bot, replace(settings, web=web))
        with listen(web) as listener:
            errors.print(f"the playground is at http://127.0.0.1:{listener.getsockname()[1]}/ (stop it with Ctrl-C)")
            serve_app(application, web, listener)
    finally:
        frontdesk.close()


def main() -> None:
    """Run the command line."""
    run(app)


def _service(frontdesk: Frontdesk) -> ChatService:
    return ChatService(frontdesk.bot, frontdesk.log, frontdesk.config.web, frontdesk.config.hand_over)


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _say(answered: Answered) -> None:
    reply = answered.reply
    for response in reply.responses:
        say(f"{response.answer}\n\n— {response.question} ({reply.confidence:.0%} sure)\n")
    if reply.message:
        say(reply.message + "\n")
    for follow_up in reply.follow_ups:
        say(f"  · {follow_up.question}")


def _explain(reply: Reply, attribution: Attribution | None) -> None:
    why, snapshot = reply.explanation, reply.snapshot
    say(f"\nWhy: {why.reason}\n")
    say(f"understood as   {why.understood}")
    for each in reply.responses:
        say(f"matched         {each.matched}  (similarity {each.similarity:.3f}, {each.source or 'no source'})")
    say(f"confidence      {reply.confidence:.4f}, {why.threshold:.4f} is needed")
    for name, value in why.features.items():
        say(f"  {name:<18}{value:.4f}")
    if attribution and attribution.words:
        words = "  ".join(f"{each.word} {each.share:.0%}" for each in attribution.words if each.share >= 0.005)
        say(f"words           {words or 'none stands out'}")
    for other in why.runners_up:
        say(f"not shown       {other.question}  ({other.relevance:.1%}: {other.reason})")
    say(
        f"snapshot        {snapshot.checkpoint} · {snapshot.index} · {snapshot.knowledge_version} · {snapshot.settings}"
    )
    say(f"turn            {reply.turn_id}")


if __name__ == "__main__":
    main()
