from dataclasses import replace

import pytest
from fakes_kb import pair

from kb.audit import entries
from kb.editing import add_pair, add_phrasing, change_pair, retire_pair
from kb.errors import ConflictError, InputError, NotFoundError
from kb.store import KnowledgeStore


@pytest.fixture
def store(engine):
    store = KnowledgeStore(engine)
    store.upsert(
        [pair("Where is it?", "There.", pair_id="p1", topic="delivery"), pair("How much?", "4.", pair_id="p2")]
    )
    return store


def actions(engine):
    return [(each.operator_id, each.action, each.subject) for each in reversed(entries(engine))]


def test_a_phrasing_is_added_once(store, engine):
    assert add_phrasing(store, "p1", "wheres my stuff", "ada")
    assert not add_phrasing(store, "p1", "Wheres my stuff?", "ada")
    assert store.get("p1").phrasings == ("wheres my stuff",)
    assert actions(engine) == [("ada", "phrasing added", "p1")]


def test_a_pair_is_added_changed_and_retired_each_as_a_new_version(store, engine):
    versions = [store.version()]
    added = add_pair(store, pair("Do you sell maps?", "Yes.", pair_id="given ids count for nothing"), "ada")
    versions.append(store.version())
    change_pair(store, replace(store.get(added), answer="No."), "bob")
    versions.append(store.version())
    assert store.get(added).answer == "No."
    retire_pair(store, added, "eve")
    versions.append(store.version())
    assert versions == sorted(set(versions))
    with pytest.raises(NotFoundError):
        store.get(added)
    assert actions(engine) == [
        ("ada", "pair added", added),
        ("bob", "pair changed", added),
        ("eve", "pair retired", added),
    ]
    assert entries(engine)[1].details == {"fields": ["answer"]}


def test_who_comes_second_is_told_and_nothing_is_lost(store, engine):
    seen = store.get("p1")
    change_pair(store, replace(seen, answer="Here."), "ada")
    with pytest.raises(ConflictError, match="somebody changed since"):
        change_pair(store, replace(seen, answer="Nowhere."), "bob")
    assert store.get("p1").answer == "Here."
    assert actions(engine) == [("ada", "pair changed", "p1")]


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        (lambda store: add_phrasing(store, "p9", "hm", "ada"), NotFoundError),
        (lambda store: add_phrasing(store, "p1", " ", "ada"), InputError),
        (lambda store: add_pair(store, pair("", "Yes."), "ada"), InputError),
        (lambda store: add_pair(store, pair("Where is it?", "Elsewhere."), "ada"), ConflictError),
        (lambda store: change_pair(store, replace(store.get("p1"), answer=""), "ada"), InputError),
        (lambda store: change_pair(store, pair("Q?", "A.", pair_id="p9"), "ada"), NotFoundError),
        (lambda store: retire_pair(store, "p9", "ada"), NotFoundError),
    ],
)
def test_what_can_not_be_done_changes_nothing_and_leaves_no_entry(store, engine, edit, error):
    before = store.corpus_hash()
    with pytest.raises(error):
        edit(store)
    assert store.corpus_hash() == before
    assert entries(engine) == []
