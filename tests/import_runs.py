"""What tests of the import share: small files, a run that checks its own counts, everything that is stored."""

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from kb.database import connect, migrate
from kb.importing import ImportReport, import_paths
from kb.store import KnowledgeStore
from kb.tables import Base

OUTCOMES = ("added", "updated", "merged", "unchanged", "conflicting", "rejected")
CHATS = """conversation_id,role,text,time,pair_id
1,customer,Hi!,2026-01-02T10:00:00Z,
1,agent,Hello! You're chatting with Maya. How can I help?,2026-01-02T10:00:05Z,
1,customer,where is my parcel,2026-01-02T10:00:10Z,
1,agent,One moment please.,2026-01-02T10:00:15Z,
1,agent,Open **My orders** and choose Track; parcels take 3-5 working days.,2026-01-02T10:01:00Z,
1,customer,"Can I return worn boots? Mail me at anna@mail.example",2026-01-02T10:02:00Z,
1,agent,Worn boots can go back within 14 days if they were worn indoors.,2026-01-02T10:03:00Z,
1,customer,great thanks,2026-01-02T10:04:00Z,
2,customer,how do i get my money back,2026-01-03T10:00:00Z,refund
2,agent,I have refunded it to your card just now.,2026-01-03T10:01:00Z,
2,customer,Can I return worn boots?,2026-01-03T10:02:00Z,
2,agent,"Yes, but only if they were worn indoors, and within 14 days of delivery. It is free.",2026-01-03T10:03:00Z,
2,customer,where is my parcel?,2026-01-03T10:04:00Z,
"""
FAQ = """id,question,answer,topic,locale,phrasings
track,Where is my parcel?,Open My orders.,delivery,en,where is it|not here yet
refund,When do I get my money?,Within 5 working days.,returns,en,
"""


def write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def run(engine: Engine, *paths: Path, **options: Any) -> ImportReport:
    options.setdefault("rejects_folder", paths[0].parent / "imports")
    report = import_paths(KnowledgeStore(engine), paths, **options)
    assert report.rows_read == sum(getattr(report, outcome) for outcome in OUTCOMES)
    for file in report.files:
        assert file.rows_read == sum(getattr(file, outcome) for outcome in OUTCOMES)
    return report


def counts(report: ImportReport) -> dict[str, int]:
    return {outcome: count for outcome in OUTCOMES if (count := getattr(report, outcome))}


def rows_of(engine: Engine) -> dict[str, list[tuple]]:
    """Return everything that is stored, but the times at which it was."""
    found = {}
    with engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            columns = [column for column in table.columns if not column.name.endswith("_at")]
            found[table.name] = sorted(map(tuple, connection.execute(select(*columns))), key=repr)
    return found


def new_engine(folder: Path) -> Engine:
    engine = connect(folder / "frontdesk.db")
    migrate(engine)
    return engine
