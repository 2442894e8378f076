from dataclasses import replace

import pytest
from fakes_bot import ASKED_SHOP, DIMENSION, SHOP, assembled, bot_over, serving
from fakes_encoder import FakeEncoder
from fakes_kb import pair

from bot.build import bot_of, load_bot, open_database
from bot.calibration import off_topic_bank
from bot.config import Config
from bot.follow_ups import FollowUpConfig
from bot.indexing import INDEX, update_index
from kb.errors import IndexMissingError
from kb.manifest import current_id
from kb.retriever import RetrievalConfig
from kb.snapshot import load_snapshot
from kb.store import KnowledgeStore
from models.calibrate import CalibrationConfig
from models.probe import ProbeConfig

CONFIG = Config()
NEW = pair("Do you repair jackets?", "Yes, for 20 euros.", pair_id="repair", topic="gear")


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def store(sqlite_engine):
    store = KnowledgeStore(sqlite_engine)
    store.upsert(SHOP)
    return store


@pytest.fixture
def index(store, tmp_path):
    """Brings the index up to date with a fresh encoder; gives the report and what was encoded."""

    def call(config=CONFIG, encoder=None, **given):
        encoder = encoder or FakeEncoder(dimension=DIMENSION)
        report = update_index(store, serving(encoder), tmp_path, config, **given)
        return report, set(encoder.encoded)

    return call


def test_the_first_index_encodes_every_question_phrasing_and_answer(index, tmp_path):
    report, encoded = index()
    assert report.is_new
    assert (report.pairs, report.encoded) == (len(SHOP), report.entries)
    assert encoded >= {text for each in SHOP for text in (each.question, *each.phrasings)}
    assert current_id(tmp_path / INDEX) == report.snapshot_id


def test_an_index_that_is_up_to_date_is_left_alone(index, tmp_path):
    first, _ = index()
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / INDEX).rglob("*")}
    report, encoded = index()
    assert (report.is_new, report.snapshot_id, report.encoded) == (False, first.snapshot_id, 0)
    assert (report.pairs, report.entries, report.knowledge_version) == (
        first.pairs,
        first.entries,
        first.knowledge_version,
    )
    assert encoded == set()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / INDEX).rglob("*")} == files


def test_only_what_is_new_is_encoded(index, store):
    index()
    store.upsert([NEW])
    report, encoded = index()
    assert report.is_new
    assert encoded == {NEW.question, f"{NEW.question}: {NEW.answer}"}
    assert report.encoded == 2


def test_a_changed_answer_is_encoded_again_and_its_question_is_not(index, store):
    index()
    store.upsert([replace(SHOP[1], answer="Delivery is free.")])
    _, encoded = index()
    assert encoded == {f"{SHOP[1].question}: Delivery is free."}


def test_a_retired_pair_is_gone_from_the_index_and_nothing_is_encoded(index, store, tmp_path):
    index()
    store.retire(["wash"])
    report, encoded = index()
    assert (report.pairs, encoded) == (len(SHOP) - 1, set())
    bot = load_bot(tmp_path, serving(FakeEncoder(dimension=DIMENSION)), CONFIG, report.snapshot_id)
    assert "wash" not in {match.pair.pair_id for match in bot.rank("Can I wash my tent?")}


def test_force_builds_another_snapshot_and_encodes_nothing(index):
    first, _ = index()
    report, encoded = index(force=True)
    assert report.is_new
    assert report.snapshot_id != first.snapshot_id
    assert encoded == set()


@pytest.mark.parametrize(
    "config",
    [
        replace(CONFIG, retrieval=RetrievalConfig(lexical_weight=0.5)),
        replace(CONFIG, calibration=CalibrationConfig(fewest=61)),
    ],
)
def test_other_settings_of_what_is_in_the_index_build_it_again(index, config):
    index()
    assert index(config)[0].is_new


def test_settings_that_the_index_does_not_hold_leave_it_alone(index):
    index()
    assert not index(replace(CONFIG, follow_ups=FollowUpConfig(count=2)))[0].is_new


def test_another_encoder_encodes_all_again_and_the_first_one_finds_its_vectors_again(index):
    index()
    report, encoded = index(encoder=FakeEncoder(encoder_id="other", dimension=DIMENSION))
    assert report.is_new
    assert len(encoded) == report.entries
    assert index()[1] == set()


@pytest.mark.parametrize("name", ["pairs.jsonl", "vectors.faiss", "calibration.json", "manifest.json"])
def test_a_damaged_index_is_built_again(index, tmp_path, name):
    first, _ = index()
    path = tmp_path / INDEX / first.snapshot_id / name
    path.write_bytes(path.read_bytes()[:-2] + b"!!")
    report, encoded = index()
    assert report.is_new
    assert encoded == set()
    assert load_snapshot(tmp_path / INDEX, FakeEncoder(dimension=DIMENSION)).manifest.snapshot_id == report.snapshot_id


def test_a_build_that_is_killed_leaves_the_old_snapshot_and_the_next_goes_on(index, store, tmp_path):
    first, _ = index()
    store.upsert([NEW])

    def kill(stage, done, total):
        if stage == "Encoding" and done == total:
            raise Killed

    with pytest.raises(Killed):
        index(progress=kill)
    assert current_id(tmp_path / INDEX) == first.snapshot_id
    report, encoded = index()
    assert report.is_new
    assert encoded == set()


def test_progress_is_told_by_stage_and_ends_at_the_total(index):
    told = []
    index(progress=lambda stage, done, total: told.append((stage, done, total)))
    encoding = [(done, total) for stage, done, total in told if stage == "Encoding"]
    assert encoding[-1][0] == encoding[-1][1] > 0
    assert [done for done, _ in encoding] == sorted(done for done, _ in encoding)


def test_an_empty_knowledge_base_has_an_index_that_answers_nothing(sqlite_engine, tmp_path):
    encoder = FakeEncoder(dimension=DIMENSION)
    report = update_index(KnowledgeStore(sqlite_engine), serving(encoder), tmp_path, CONFIG)
    assert (report.pairs, report.entries, report.is_new) == (0, 0, True)
    reply = load_bot(tmp_path, serving(encoder), CONFIG, report.snapshot_id).answer("Where is my order?")
    assert (reply.outcome, reply.confidence) == ("abstained", 0.0)


def test_a_bot_of_the_index_answers_as_one_that_was_put_together_in_memory(index, tmp_path):
    report, _ = index()
    loaded = load_bot(tmp_path, serving(FakeEncoder(dimension=DIMENSION)), CONFIG, report.snapshot_id)
    fresh = bot_over(tmp_path, sorted(SHOP, key=lambda each: each.pair_id), transitions=())
    for question in ("where is my parcel", "Can I pay by invoice?", "what is the weather like"):
        one, other = loaded.answer(question), fresh.answer(question)
        assert (one.outcome, one.responses) == (other.outcome, other.responses)


def test_with_enough_phrasings_the_calibration_is_fitted_and_kept_in_the_index(store, index, tmp_path):
    store.upsert(ASKED_SHOP)
    config = replace(CONFIG, calibration=CalibrationConfig(fewest=20, questions=40))
    report, _ = index(config)
    assert report.calibration.origin == "fitted"
    bot = load_bot(tmp_path, serving(FakeEncoder(dimension=DIMENSION)), config, report.snapshot_id)
    explanation = bot.answer("Where is my order?").explanation
    assert explanation.threshold == pytest.approx(report.calibration.threshold)


def test_the_probe_is_kept_in_the_index_and_without_weight_there_is_none(store, index, tmp_path):
    store.upsert(ASKED_SHOP)
    relevance = {}
    for weight in (0.0, 1.5):
        config = replace(CONFIG, probe=ProbeConfig(weight=weight))
        report, _ = index(config)
        assert report.is_new
        loaded = load_bot(tmp_path, serving(FakeEncoder(dimension=DIMENSION)), config, report.snapshot_id)
        fresh = bot_over(tmp_path, ASKED_SHOP, config=config)
        relevance[weight] = {each.pair.pair_id: each.relevance for each in loaded.rank("is my order on its way")}
        assert relevance[weight] == pytest.approx(
            {each.pair.pair_id: each.relevance for each in fresh.rank("is my order on its way")}, abs=1e-5
        )
    assert relevance[0.0] != pytest.approx(relevance[1.5], abs=1e-3)


def test_what_is_off_topic_is_kept_in_the_index_and_lowers_the_confidence_as_in_memory(store, index, tmp_path):
    store.upsert(ASKED_SHOP)
    config = replace(CONFIG, calibration=CalibrationConfig(fewest=20))
    report, _ = index(config)
    loaded = load_bot(tmp_path, serving(FakeEncoder(dimension=DIMENSION)), config, report.snapshot_id)
    parts = assembled(tmp_path, ASKED_SHOP, config=config)
    strangers = load_snapshot(tmp_path / INDEX, FakeEncoder(dimension=DIMENSION), report.snapshot_id).arrays[
        "off_topic"
    ]
    assert strangers == pytest.approx(parts.judges.off_topic.vectors)
    calibration = replace(parts.calibration, off_topic=-2.0)
    lowered, plain = (bot_of(replace(parts, calibration=each), config) for each in (calibration, parts.calibration))
    for question in (off_topic_bank()[40], "is my order on its way"):
        ranked = [(each.pair.pair_id, pytest.approx(each.relevance, abs=1e-5)) for each in plain.rank(question)]
        assert [(each.pair.pair_id, each.relevance) for each in loaded.rank(question)] == ranked
        assert lowered.rank(question)[0].relevance < plain.rank(question)[0].relevance


def test_before_the_first_index_there_is_none(tmp_path):
    with pytest.raises(IndexMissingError, match="run `frontdesk index`"):
        current_id(tmp_path / INDEX)


def test_a_probe_is_served_with_the_settings_it_was_fitted_with(tmp_path):
    encoder, config = FakeEncoder(dimension=64), Config()
    store = KnowledgeStore(open_database(tmp_path, config))
    asked = [tuple(f"{word} {number} please" for number in range(6)) for word in ("refund", "parcel", "tent")]
    store.upsert([pair(each[0], f"All of {each[0]}.", phrasings=each[1:]) for each in asked])
    report = update_index(store, serving(encoder), tmp_path, config)
    changed = Config(probe=ProbeConfig(gamma=0.1, weight=9.0))
    fitted, served = (load_bot(tmp_path, serving(encoder), each, report.snapshot_id) for each in (config, changed))
    assert fitted.answer("refund 9 please") == served.answer("refund 9 please")
