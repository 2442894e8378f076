"""The playground: a page for operators to try how answers are selected; nothing that is tried is logged or served.

By itself it has no login: `frontdesk playground` serves it at the loopback alone. In the console it is behind one.
"""

import html
from collections.abc import Callable, Sequence
from typing import Any, cast

import gradio as gr
from fastapi import FastAPI

from bot.chatbot import ChatBot
from bot.config import Config
from bot.playground import Trial, Tried, try_selection
from bot.selector import STRATEGIES, Strategy
from kb.errors import FrontdeskError
from web.chat import add_assets
from web.chat_theme import ASSETS, gradio_theme, head
from web.message import checked_message
from web.security import add_security

MOST_SHOWN = 10
_COLUMNS = ("", "Question", "Relevance", "Similarity", "Nearest chosen before", "Why")


def create_playground(bot_now: Callable[[], ChatBot], config: Config) -> FastAPI:
    """Return the application with the playground at "/".

    Args:
        bot_now: gives the bot of the snapshot in service.
        config: branding, limits, and the selection that the page begins with.

    Raises:
        ConfigError: the branding can't be used.
    """
    app = FastAPI(title=f"{config.branding.name}: playground", docs_url=None, redoc_url=None, openapi_url=None)
    add_security(app, config.web)
    add_assets(app, config.branding)
    with gr.Blocks(title="Playground", analytics_enabled=False, fill_width=True) as page:
        add_playground(page, bot_now, config)
    mount_operators_page(app, page, "/", config)
    return app


def mount_operators_page(app: FastAPI, page: gr.Blocks, path: str, config: Config) -> None:
    """Serve a page for operators under a path, in the colours of the chat page."""
    style = (ASSETS / "operators.css").read_text(encoding="utf-8")
    gr.mount_gradio_app(
        app,
        page,
        path=path,
        footer_links=[],
        show_error=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        theme=gradio_theme(config.branding).set(slider_color="var(--fd-brand)", slider_color_dark="var(--fd-brand)"),
        head=head(config.branding, up="" if path == "/" else "../") + f"\n<style>{style}</style>",
    )


def add_playground(page: gr.Blocks, bot_now: Callable[[], ChatBot], config: Config) -> None:
    """Put the playground into a page that is being made."""
    selection = config.selection

    def tried(question: str, strategy: str, diversity: float, k: float) -> str:
        trial = Trial(
            question=question,
            strategy=cast(Strategy, strategy),
            diversity=diversity,
            k=int(k),
            duplicate_similarity=selection.duplicate_similarity,
        )
        return result_html(bot_now(), trial, config.web.max_message_length)

    gr.HTML(f"<h1>Playground</h1><p>{_ABOUT}</p>", elem_classes="fp-head", apply_default_css=False)
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=280):
            question = gr.Textbox(label="A customer's question", value=config.branding.starters[0], lines=2)
            strategy = gr.Dropdown(list(STRATEGIES), value=selection.strategy, label="Strategy")
            diversity = gr.Slider(0, 1, value=selection.diversity, step=0.05, label="Diversity")
            k = gr.Slider(1, MOST_SHOWN, value=5, step=1, label="How many are chosen")
        with gr.Column(scale=3, min_width=300):
            shown = gr.HTML(apply_default_css=False, elem_classes="fp-result")
    inputs: list[Any] = [question, strategy, diversity, k]
    # Only the last of several changes is answered: a slider that is dragged makes many.
    gr.on(
        [page.load, question.submit, question.blur, strategy.change, diversity.change, k.change],
        tried,
        inputs,
        shown,
        trigger_mode="always_last",
        show_progress="hidden",
        queue=False,
        api_visibility="private",
    )


_ABOUT = (
    "What would be chosen from the candidates of a question, by which balance of relevance and diversity. "
    "Nothing that you try is logged, or changes what customers see."
)


def result_html(bot: ChatBot, trial: Trial, longest: int) -> str:
    """Return the candidates as a table, or in words what is wrong with the input."""
    try:
        checked_message(trial.question, longest)
        found = try_selection(bot, trial)
    except (FrontdeskError, ValueError) as error:
        return f'<p class="fp-note" role="status">{html.escape(str(error))}</p>'
    if not found:
        return '<p class="fp-note" role="status">The knowledge base has no pairs.</p>'
    return f'{_summary(found)}<div class="fp-scroll" role="region" aria-label="Candidates">{_table(found)}</div>'


def _summary(found: Sequence[Tried]) -> str:
    chosen = [each for each in found if each.rank]
    topics = len({each.topic for each in chosen})
    new = sum(not each.rank_by_relevance for each in chosen)
    return (
        f'<p class="fp-note" role="status">{len(chosen)} of {len(found)} candidates chosen, of {topics} '
        f"{'topic' if topics == 1 else 'topics'}; {new} of them not by relevance alone.</p>"
    )


def _table(found: Sequence[Tried]) -> str:
    header = "".join(f'<th scope="col">{each or "<span>Place</span>"}</th>' for each in _COLUMNS)
    rows = "".join(map(_row, found))
    return f'<table class="fp-trial"><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table>'


def _row(each: Tried) -> str:
    """Return one candidate as a row; those that are chosen stand out."""
    place = f"<b>{each.rank}</b>" if each.rank else "–"
    topic = f"<small>{html.escape(each.topic)}</small>" if each.topic else ""
    nearest = f"{each.nearest_similarity:.2f} <small>{html.escape(each.nearest)}</small>" if each.nearest else "–"
    return (
        f'<tr class="{"fp-chosen" if each.rank else "fp-left"}"><td>{place}</td>'
        f'<td>{html.escape(each.question)}{topic}</td><td data-name="Relevance">{_bar(each.relevance)}</td>'
        f'<td data-name="Similarity">{_bar(each.similarity)}</td><td data-name="Nearest chosen before">{nearest}</td>'
        f"<td>{html.escape(each.reason)}</td></tr>"
    )


def _bar(value: float) -> str:
    width = 100 * min(max(value, 0.0), 1.0)
    return f'<span class="fp-bar" style="--share:{width:.1f}%">{value:.2f}</span>'
