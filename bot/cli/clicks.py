"""`frontdesk clicks`: learn from the log which suggestions are clicked."""

from functools import partial

from bot.build import CLICKS, load_bot, open_database, open_models
from bot.cli.common import DEFAULT_VAR, AsJson, ConfigFile, Var, config_of, say, show
from bot.click_log import catalogue_of, shown_in
from bot.indexing import INDEX
from kb.errors import TrainingDataError, describe
from kb.log import ConversationLog
from kb.manifest import current_id
from models.click_file import save_clicks
from models.clicks import fit_clicks


def clicks(var: Var = DEFAULT_VAR, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Fit the click model on what was suggested and clicked; suggestions are ranked by it from the next start on."""
    settings = config_of(var, config)
    bot = load_bot(var, partial(open_models, var, settings), settings, current_id(var / INDEX))
    engine = open_database(var, settings)
    try:
        shown = shown_in(ConversationLog(engine).export())
    finally:
        engine.dispose()
    model = fit_clicks(shown, catalogue_of(bot.retriever), settings.clicks)
    if model is None:
        raise TrainingDataError(
            describe(
                expected="a log with suggestions that were clicked",
                got=f"{len(shown)} suggestions, none of them clicked",
                remedy="come back when customers have clicked some",
            )
        )
    save_clicks(model, var / CLICKS, encoder_id=bot.retriever.encoder.encoder_id, impressions=len(shown))
    learned = "vectors" if model.with_vectors else "rates and nearness" if len(model.weights) else "rates alone"
    report = {
        "impressions": len(shown),
        "clicked": sum(each.clicked for each in shown),
        "learned_from": learned,
        "examination": model.examination.tolist(),
    }
    if as_json:
        show(report)
        return
    say(f"{report['impressions']} suggestions, {report['clicked']} of them clicked; learned from {learned}")
    say("looked at, by rank: " + ", ".join(f"{each:.2f}" for each in model.examination))
