from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, update

from kb.audit import FIRST, add_entry, check, entries
from kb.database import writing
from kb.tables import AuditRow


def add(engine, *subjects):
    for subject in subjects:
        with writing(engine) as connection:
            add_entry(connection, "ada", "pair changed", subject, {"fields": ["answer"], "ü": 1.5})


def test_entries_come_newest_first_and_page_by_page(engine):
    add(engine, "a", "b", "c")
    newest = entries(engine, limit=2)
    assert [each.subject for each in newest] == ["c", "b"]
    assert [each.subject for each in entries(engine, before=newest[-1].audit_id)] == ["a"]
    assert newest[0].details == {"fields": ["answer"], "ü": 1.5}


def test_each_entry_has_the_digest_of_the_one_before_it(engine):
    add(engine, "a", "b")
    second, first = entries(engine)
    assert first.previous == FIRST
    assert second.previous == first.digest
    checked = check(engine)
    assert (checked.entries, checked.head, checked.broken_at) == (2, second.digest, None)


def test_an_empty_audit_is_whole(engine):
    assert (check(engine).entries, check(engine).broken_at) == (0, None)


@pytest.mark.parametrize(
    "change", [{"operator_id": "bob"}, {"subject": "z"}, {"details": {}}, {"action": "looked"}, {"digest": "0" * 64}]
)
def test_a_changed_entry_is_found(engine, change):
    add(engine, "a", "b", "c")
    second = entries(engine)[1].audit_id
    with writing(engine) as connection:
        connection.execute(update(AuditRow).where(AuditRow.audit_id == second).values(**change))
    assert check(engine).broken_at == second


def test_a_removed_entry_is_found_by_the_one_after_it(engine):
    add(engine, "a", "b", "c")
    third, second, _ = (each.audit_id for each in entries(engine))
    with writing(engine) as connection:
        connection.execute(delete(AuditRow).where(AuditRow.audit_id == second))
    assert check(engine).broken_at == third


def test_what_was_rolled_back_left_no_entry(engine):
    def fail():
        with writing(engine) as connection:
            add_entry(connection, "ada", "pair changed")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert entries(engine) == []


def test_entries_of_many_at_once_make_one_chain(engine):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: add(engine, str(number)), range(20)))
    checked = check(engine)
    assert (checked.entries, checked.broken_at) == (20, None)
