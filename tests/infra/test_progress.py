"""Who hears what stages tell."""

from infra import progress


class Noted:
    """Keeps all that it hears."""

    def __init__(self):
        self.heard: list[tuple[object, ...]] = []

    def start(self, stage: str, total: int, unit: str) -> None:
        self.heard.append(("start", stage, total, unit))

    def advance(self, stage: str, done: int, note: str, images: int) -> None:
        self.heard.append(("advance", stage, done, note, images))

    def finish(self, stage: str) -> None:
        self.heard.append(("finish", stage))

    def say(self, text: str) -> None:
        self.heard.append(("say", text))


def test_all_that_listen_hear_all_while_they_do():
    first, second = Noted(), Noted()
    progress.start("nobody", 1, "shards")
    with progress.heard_by(first):
        progress.start("fit", 2, "rounds")
        with progress.heard_by(second):
            progress.advance("fit", 1, "a note", 64)
        progress.finish("fit")
        progress.say("done")
    progress.say("nobody")
    assert second.heard == [("advance", "fit", 1, "a note", 64)]
    assert first.heard == [("start", "fit", 2, "rounds"), *second.heard, ("finish", "fit"), ("say", "done")]
