from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from models.training.writers import Writers, open_writers


class Notes:
    def __init__(self):
        self.scalars, self.is_closed = [], False

    def scalar(self, name, value, step):
        self.scalars.append((name, value, step))

    def close(self):
        self.is_closed = True


def test_tensorboard_reads_what_was_written(tmp_path, monkeypatch):
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    writers = open_writers(tmp_path, "run", {"seed": 1})
    writers.of("encoder").scalar("loss", 0.5, 1)
    writers.of("encoder").scalar("loss", 0.25, 2)
    writers.close()
    found = EventAccumulator(str(tmp_path))
    found.Reload()
    assert [(each.step, each.value) for each in found.Scalars("encoder/loss")] == [(1, 0.5), (2, 0.25)]


def test_every_writer_takes_each_value_and_is_closed():
    both = Notes(), Notes()
    writers = Writers(list(both))
    writers.scalar("loss", 1.0, 3)
    writers.close()
    assert [each.scalars for each in both] == [[("loss", 1.0, 3)]] * 2
    assert all(each.is_closed for each in both)


def test_stages_are_told_apart_by_their_names():
    notes = Notes()
    Writers([notes]).of("matcher").scalar("loss", 1.0, 1)
    assert notes.scalars[0][0] == "matcher/loss"
