import threading
import tracemalloc
from datetime import UTC, datetime

import pytest
from fakes_kb import pair
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from kb.database import connect, migrate, reading, writing
from kb.errors import InputError, NotFoundError
from kb.store import DuplicatePolicy, KnowledgeStore, UpsertCounts
from kb.tables import ImportRow, KnowledgeVersionRow, PairRow, PhrasingRow
from kb.text import content_hash

PARCEL = pair("Where is my parcel?", "It is on its way.", topic="delivery", source="faq.csv")


@pytest.fixture
def store(engine):
    return KnowledgeStore(engine)


def outcomes(store, *pairs, policy=DuplicatePolicy.KEEP):
    """Upsert pairs; return what became of each, in order, after checking that the counts say the same."""
    reported = []
    counts = store.upsert(iter(pairs), policy=policy, on_pair=reported.append)
    assert [each.position for each in reported] == list(range(len(pairs)))
    found = [each.outcome for each in reported]
    assert counts == UpsertCounts(**{name: found.count(name) for name in set(found)})
    assert counts.total == len(pairs)
    return found


def everything(store):
    return list(store.pairs()), store.version(), store.corpus_hash()


def test_a_new_pair_gets_an_id_of_its_content(store):
    assert outcomes(store, PARCEL) == ["added"]
    (stored,) = store.pairs()
    assert stored.pair_id.startswith("p-")
    assert len(stored.pair_id) == 14
    assert (stored.question, stored.answer, stored.topic, stored.source) == (
        PARCEL.question,
        PARCEL.answer,
        "delivery",
        "faq.csv",
    )
    assert stored.content_hash == content_hash(PARCEL.question, PARCEL.answer, "delivery", "en")
    assert store.get(stored.pair_id) == stored


def test_the_same_pair_in_other_form_is_unchanged(store):
    shouted = pair("WHERE IS MY PARCEL", "It is **on its way**")
    assert outcomes(store, PARCEL, PARCEL, shouted) == ["added", "unchanged", "unchanged"]
    assert [each.question for each in store.pairs()] == ["Where is my parcel?"]


def test_another_question_with_the_same_answer_becomes_a_phrasing(store):
    assert outcomes(store, PARCEL, pair("Parcel?", PARCEL.answer)) == ["added", "merged"]
    (stored,) = store.pairs()
    assert stored.phrasings == ("Parcel?",)
    assert stored.content_hash == content_hash(PARCEL.question, PARCEL.answer, "delivery", "en", ["Parcel?"])


def test_the_same_answer_in_another_locale_is_another_pair(store):
    assert outcomes(store, PARCEL, pair("Colis ?", PARCEL.answer, locale="fr")) == ["added", "added"]
    assert [each.question for each in store.pairs(locale="fr")] == ["Colis ?"]
    assert store.count() == 2


def test_phrasings_are_merged_without_duplicates_in_the_order_given(store):
    first = pair(PARCEL.question, PARCEL.answer, phrasings=("Parcel?", "where is my parcel", "PARCEL", "", "Lost it"))
    again = pair(PARCEL.question, PARCEL.answer, phrasings=("lost it!", "Any news?"))
    assert outcomes(store, first, again, again) == ["added", "merged", "unchanged"]
    assert next(store.pairs()).phrasings == ("Parcel?", "Lost it", "Any news?")


def test_a_known_question_with_another_answer_conflicts_and_is_not_stored(store):
    outcomes(store, PARCEL)
    before = everything(store)
    reported = []
    store.upsert([pair(PARCEL.question, "Ask the carrier.")], on_pair=reported.append)
    assert [(each.outcome, each.pair_id) for each in reported] == [("conflicting", before[0][0].pair_id)]
    assert everything(store) == before


def test_a_known_question_with_another_answer_replaces_it_by_policy(store):
    outcomes(store, PARCEL, pair("Parcel?", PARCEL.answer))
    pair_id = next(store.pairs()).pair_id
    newer = pair(PARCEL.question, "Ask the carrier.", source="new.csv")
    assert outcomes(store, newer, policy=DuplicatePolicy.REPLACE) == ["updated"]
    (stored,) = store.pairs()
    assert (stored.pair_id, stored.answer, stored.source) == (pair_id, "Ask the carrier.", "new.csv")
    assert stored.phrasings == ("Parcel?",)
    # The former answer is free again, and so is the id that was made of it.
    assert outcomes(store, pair("What about it?", PARCEL.answer), pair("Hm?", PARCEL.answer)) == ["added", "merged"]


def test_a_merged_question_that_gets_its_own_answer_leaves_the_pair_it_was_merged_into(store):
    outcomes(store, PARCEL, pair("Is it lost?", PARCEL.answer))
    lost = pair("Is it lost?", "Call us, we search.")
    assert outcomes(store, lost) == ["conflicting"]
    assert outcomes(store, lost, policy=DuplicatePolicy.REPLACE) == ["updated"]
    assert {each.question: (each.answer, each.phrasings) for each in store.pairs()} == {
        PARCEL.question: (PARCEL.answer, ()),
        "Is it lost?": ("Call us, we search.", ()),
    }


def test_a_listed_phrasing_does_not_keep_the_pair_out_whose_question_it_is(store):
    vague = pair(PARCEL.question, PARCEL.answer, phrasings=("Is it lost?",))
    assert outcomes(store, vague, pair("Is it lost?", "Call us, we search.")) == ["added", "added"]


def test_a_pair_with_an_id_is_that_pair(store):
    given = pair("Where is it?", "There.", pair_id="where", topic="delivery", source="a.csv")
    changed = pair("Where is my order?", "Here.", pair_id="where", phrasings=("Order?",))
    assert outcomes(store, given, given, changed, changed) == ["added", "unchanged", "updated", "unchanged"]
    stored = store.get("where")
    assert (stored.question, stored.answer, stored.phrasings) == ("Where is my order?", "Here.", ("Order?",))
    assert (stored.topic, stored.source) == ("delivery", "a.csv")


def test_a_pair_given_again_goes_where_its_phrasings_went_though_another_one_says_the_same(store):
    known, twin = pair("When?", "Now.", pair_id="y"), pair("What?", "Now.", pair_id="x")
    given_pairs = [known, pair("What?", "Now.", phrasings=("Who?",)), twin]
    assert outcomes(store, *given_pairs) == ["added", "merged", "added"]
    assert outcomes(store, *given_pairs) == ["unchanged", "unchanged", "unchanged"]


def test_pairs_with_ids_stay_apart_though_they_share_an_answer(store):
    one, other = pair("Where?", "Here.", pair_id="one"), pair("Where to?", "Here.", pair_id="other")
    assert outcomes(store, one, other) == ["added", "added"]
    assert outcomes(store, pair("Where now?", "Here.")) == ["merged"]
    assert store.get("one").phrasings == ("Where now?",)


def test_a_question_that_was_a_phrasing_of_its_pair_is_no_phrasing_any_more(store):
    outcomes(store, pair("Where?", "Here.", pair_id="x", phrasings=("Where is it?", "Whither?")))
    assert outcomes(store, pair("Where is it?", "Here.", pair_id="x")) == ["updated"]
    assert store.get("x").phrasings == ("Whither?",)


def test_a_new_source_of_a_pair_makes_a_new_version(store):
    outcomes(store, pair("Where?", "Here.", pair_id="x", source="a"))
    assert outcomes(store, pair("Where?", "Here.", pair_id="x", source="b")) == ["updated"]
    assert (store.get("x").source, store.version()) == ("b", 2)


def test_giving_the_same_pairs_again_changes_nothing(store):
    pairs = [pair(f"Question {n}?", f"Answer {n // 3}.", phrasings=(f"Asking {n}",)) for n in range(30)]
    outcomes(store, *pairs)
    before = everything(store)
    assert outcomes(store, *pairs) == ["unchanged"] * 30
    assert everything(store) == before


def test_more_pairs_than_one_batch_end_where_one_batch_would(store):
    pairs = [pair(f"Question {n}?", f"Answer {n % 700}.", phrasings=(f"Asking {n}",)) for n in range(1_400)]
    assert outcomes(store, *pairs) == ["added"] * 700 + ["merged"] * 700
    assert store.count() == 700
    assert {len(each.phrasings) for each in store.pairs()} == {3}
    for each in store.pairs():
        given_texts = (each.question, each.answer, each.topic, each.locale, each.phrasings)
        assert each.content_hash == content_hash(*given_texts)


def test_pairs_come_by_id_and_by_pages(store):
    outcomes(store, *(pair(f"Question {n}?", f"Answer {n}.", pair_id=f"{n:05}") for n in reversed(range(2_500))))
    assert [each.pair_id for each in store.pairs()] == [f"{n:05}" for n in range(2_500)]


def test_an_iterator_of_pairs_sees_one_state(store):
    outcomes(store, *(pair(f"Question {n}?", f"Answer {n}.", pair_id=f"{n:05}") for n in range(1_500)))
    pairs = store.pairs()
    next(pairs)
    outcomes(store, pair("Late?", "Too late.", pair_id="99999"))
    assert len(list(pairs)) == 1_499


@pytest.mark.parametrize("given_pair", [pair("", "Here."), pair("Where?", " \x00\n")])
def test_a_pair_without_question_or_answer_stores_nothing(store, given_pair):
    with pytest.raises(InputError, match="expected a question and an answer in every pair; got an empty"):
        store.upsert([*(pair(f"Q {n}?", f"A {n}.") for n in range(600)), given_pair])
    assert (store.count(), store.version()) == (0, 0)


def test_what_no_database_takes_is_cleaned_away(store):
    outcomes(store, pair("Where\x00 is\ud800 it?", "There\x00.\ud800", topic="a\x00", source="\ud800", locale="e\x00n"))
    (stored,) = store.pairs()
    assert (stored.question, stored.answer, stored.topic) == ("Where is it?", "There.", "a")


def test_a_transaction_is_one_version_and_all_or_nothing(store):
    with store.transaction() as unit:
        unit.upsert([PARCEL])
        unit.upsert([pair("How much is it?", "It is free.")])
        assert (unit.count(), store.count()) == (2, 0)
        assert unit.corpus_hash() != store.corpus_hash()
    assert (store.count(), store.version()) == (2, 1)

    def fail():
        with store.transaction() as unit:
            unit.upsert([pair("Lost?", "Yes.")])
            unit.retire([next(unit.pairs()).pair_id])
            raise ZeroDivisionError

    before = everything(store)
    with pytest.raises(ZeroDivisionError):
        fail()
    assert everything(store) == before


def test_a_refused_call_leaves_the_rest_of_its_transaction(store):
    with store.transaction() as unit:
        unit.upsert([PARCEL])
        with pytest.raises(InputError):
            unit.upsert([*(pair(f"Q {n}?", f"A {n}.") for n in range(600)), pair("", "")])
        unit.upsert([pair("How much is it?", "It is free.")])
    assert store.count() == 2


def test_versions_move_with_the_active_knowledge_only(store, engine):
    assert (store.version(), store.count(), store.topics()) == (0, 0, [])
    outcomes(store, PARCEL, pair("How much is it?", "It is free.", topic="cost", pair_id="cost"))
    assert (store.version(), store.topics()) == (1, ["cost", "delivery"])
    first = store.corpus_hash()
    assert store.retire(["cost", "nobody"]) == 1
    assert (store.version(), store.count(), store.topics()) == (2, 1, ["delivery"])
    assert store.retire(["cost"]) == 0
    assert store.version() == 2
    with pytest.raises(NotFoundError, match="expected the id of an active pair; got 'cost'"):
        store.get("cost")
    assert outcomes(store, pair("How much is it?", "It is free.", topic="cost", pair_id="cost")) == ["added"]
    assert (store.version(), store.corpus_hash()) == (3, first)
    with reading(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(PairRow)) == 2


def test_a_retired_pair_comes_back_as_it_is_given(store):
    outcomes(store, pair(PARCEL.question, PARCEL.answer, phrasings=("Old one",)))
    pair_id = next(store.pairs()).pair_id
    store.retire([pair_id])
    again = pair(PARCEL.question, PARCEL.answer, phrasings=("New one",))
    assert outcomes(store, again, again) == ["added", "unchanged"]
    assert [(each.pair_id, each.phrasings) for each in store.pairs()] == [(pair_id, ("New one",))]


def test_the_corpus_hash_does_not_tell_in_which_order_pairs_came(tmp_path):
    pairs = [pair(f"Question {n}?", f"Answer {n}.", phrasings=(f"a {n}", f"b {n}")) for n in range(5)]
    hashes = set()
    for name, order in (("one", pairs), ("other", pairs[::-1])):
        engine = connect(tmp_path / f"{name}.db")
        migrate(engine)
        store = KnowledgeStore(engine)
        store.upsert(order)
        hashes.add(store.corpus_hash())
        engine.dispose()
    assert len(hashes) == 1


few = st.sampled_from(["Where?", "where", "When?", "Who?", "What?"])
some_pairs = st.lists(
    st.builds(
        pair,
        few,
        st.sampled_from(["Here.", "Now.", "Me."]),
        pair_id=st.sampled_from(["", "", "", "x", "y"]),
        locale=st.sampled_from(["en", "de"]),
        phrasings=st.lists(few, max_size=2).map(tuple),
    ),
    max_size=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(retired=some_pairs, pairs=some_pairs)
def test_whatever_is_given_adds_up_and_a_second_time_changes_nothing_where_ids_are_given_once(
    sqlite_engine, retired, pairs
):
    once = {each.pair_id: each for each in reversed(pairs) if each.pair_id}
    pairs = [each for each in pairs if not each.pair_id or once[each.pair_id] is each]
    with writing(sqlite_engine) as connection:
        for table in (PhrasingRow, PairRow, KnowledgeVersionRow):
            connection.execute(delete(table))
    store = KnowledgeStore(sqlite_engine)
    outcomes(store, *retired)
    store.retire([each.pair_id for each in store.pairs()])
    outcomes(store, *pairs)
    before = everything(store)
    again = outcomes(store, *pairs)
    assert set(again) <= {"unchanged", "conflicting"}
    assert everything(store) == before


def test_writers_at_once_count_versions_without_gaps(store):
    def work(number):
        for step in range(5):
            store.upsert([pair(f"Question {number} {step}?", f"Answer {number} {step}.")])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (store.count(), store.version()) == (20, 20)


def test_memory_does_not_grow_with_the_number_of_pairs(sqlite_engine):
    store = KnowledgeStore(sqlite_engine)

    def peak(numbers):
        tracemalloc.start()
        store.upsert(pair(f"Question {n}?", f"Answer {n}. " + "word " * 50) for n in numbers)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak(range(1_000))
    assert peak(range(1_000, 7_000)) < 1.5 * peak(range(7_000, 9_000))


def test_an_import_is_recorded(store, engine):
    started_at = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    store.record_import(path="faq.csv", file_hash="abc", counts={"added": 3}, started_at=started_at)
    with reading(engine) as connection:
        (row,) = connection.execute(select(ImportRow))
    assert (row.path, row.file_hash, row.counts, row.started_at) == ("faq.csv", "abc", {"added": 3}, started_at)
    assert row.finished_at > started_at


def test_a_view_sees_one_state_while_another_writes_and_writes_nothing_itself(store):
    store.upsert([pair("Where is my parcel?", "On its way.")])
    with store.view() as seen:
        before = (seen.corpus_hash(), [each.question for each in seen.pairs()])
        store.upsert([pair("How much is delivery?", "Four euros.")])
        assert (seen.corpus_hash(), [each.question for each in seen.pairs()]) == before
        with pytest.raises(AssertionError, match="for reading"):
            seen.upsert([pair("Do you sell skis?", "No.")])
    assert store.count() == 2
