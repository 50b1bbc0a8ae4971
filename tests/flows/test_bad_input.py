"""What a job does with a source that is not as it should be: through the command line, on real files."""

import struct
import zlib

import cv2
import pytest
from PIL import ImageFile

from tests.flows.cli_helpers import refuse, sample, tree
from tests.tasks.shard.helpers import picture, shard, tarred

LAYOUTS = "give a folder CLASS/IMAGE"
GOOD = 20


class TestNoDataset:
    @pytest.mark.parametrize("command", ["protect", "plan"])
    @pytest.mark.parametrize("kind", ["missing", "empty", "texts", "classes of texts", "pictures without a class"])
    def test_what_holds_no_dataset_is_named_with_the_layouts_that_are_understood(self, cli, places, kind, command):
        names = {
            "empty": (),
            "texts": ("a.txt", "b.csv"),
            "classes of texts": ("cat/a.txt", "dog/b.md"),
            "pictures without a class": ("a.png",),
        }
        if kind != "missing":
            places.source.mkdir()
        for name in names.get(kind, ()):
            places.put_bytes(name, picture(0) if name.endswith("png") else b"some text")
        whole = places.protect if command == "protect" else places.arguments("plan")
        refuse(cli, places, 1, f"no dataset at {places.source}", LAYOUTS, command=whole)

    def test_a_split_that_is_not_there_is_named_with_those_that_are(self, cli, places):
        places.put("data-test-0.tar", shard(4))
        refuse(cli, places, 1, "no split train", places.source, "test", "--split")

    def test_one_class_is_too_few(self, cli, places):
        places.put("a.tar", shard(4, classes=1))
        refuse(cli, places, 1, f"all samples of {places.source} have one class (0)", "two classes or more")

    def test_samples_without_any_label_are_no_dataset(self, cli, places):
        places.put("a.tar", [member for i in range(4) for member in sample(f"k{i}", None)])
        refuse(cli, places, 1, "4 of 4 samples", places.source, "k0: no label", "--max-bad-share")
        every = (*places.protect, "--max-bad-share", 1)
        refuse(cli, places, 1, f"{places.source} has no good sample", "no label", "label field", command=every)
        assert set(places.quarantine()) == {"k0", "k1", "k2", "k3"}


def huge_png() -> bytes:
    """The header of a PNG of 50,000 x 50,000, and a little of a picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def labelled(name: str, data: bytes) -> list[tuple[str, bytes | None]]:
    return [(name, data), (f"{name.rpartition('.')[0]}.cls", b"1")]


BAD_SAMPLES = {
    "without a label": (sample("bad", None), "bad", "no label"),
    "with an empty label": (sample("bad", " \n"), "bad", "no label"),
    "with a truncated JPEG": (labelled("bad.jpg", picture(1, "JPEG", 64, 64)[:900]), "bad", "damaged or cut short"),
    "with a truncated PNG": (labelled("bad.png", picture(1, "PNG", 64, 64)[:900]), "bad", "damaged or cut short"),
    "with garbage for a picture": (labelled("bad.png", b"\x00garbage" * 40), "bad", "not a picture that can be read"),
    "with an empty picture": (labelled("bad.png", b""), "bad", "not a picture that can be read"),
    "with a key that came before": (sample("0003", "1"), "0003", "duplicate key"),
    "with a folder in its key": (sample("a/b", "1"), "a/b", "a path in it"),
    "with a key that leads out": (sample("../x", "1"), "../x", "a path in it"),
    "with an absolute key": (sample("/etc/x", "1"), "/etc/x", "a path in it"),
    "with a huge declared picture": (labelled("bad.png", huge_png()), "bad", "declares 50000 x 50000 pixels"),
    "with a link for a picture": ([("bad.png", None), ("bad.cls", b"1")], "bad", "a link"),
    "with control characters in its key": (sample("b\x1b[2Jad", "1"), "b\\x1b[2Jad", "control characters"),
}


class TestBadSamples:
    @pytest.mark.parametrize("kind", BAD_SAMPLES)
    def test_a_sample_is_quarantined_with_its_reason_and_the_job_goes_on(self, cli, places, kind):
        members, key, reason = BAD_SAMPLES[kind]
        places.put("a.tar", [*shard(GOOD), *members])
        before = tree(places.source)
        said = cli(*places.protect, "--json")
        assert said.status == 0, said
        assert (said.json["protected"], said.json["quarantined"]) == (GOOD, 1)
        assert list(places.quarantine()) == [key]
        assert reason in places.quarantine()[key]
        assert tree(places.source) == before
        checked = cli("verify", places.destination, "--clean", places.source, "--json")
        assert (checked.status, checked.json["ok"], checked.json["samples"]) == (0, True, GOOD)
        assert {path.name for path in places.root.iterdir()} == {"source", "protected", "private"}

    def test_a_huge_declared_picture_is_never_decoded(self, cli, places, monkeypatch):
        places.put("a.tar", [*shard(GOOD), *labelled("bad.png", huge_png())])
        loaded, seen = [], []
        load, imdecode = ImageFile.ImageFile.load, cv2.imdecode
        monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: (loaded.append(self.size), load(self))[1])
        monkeypatch.setattr(cv2, "imdecode", lambda data, how: (seen.append(bytes(data)), imdecode(data, how))[1])
        assert cli(*places.protect).status == 0
        assert cli("verify", places.destination, "--clean", places.source).status == 0
        assert set(loaded) == {(8, 8)}
        assert seen
        assert huge_png() not in seen

    def test_max_pixels_lowers_the_limit(self, cli, places):
        places.put("a.tar", [*shard(GOOD), *labelled("bad.png", picture(0, height=30, width=40))])
        assert cli(*places.protect, "--max-pixels", 1000).status == 0
        assert "40 x 30 pixels, more than the limit of 1000" in places.quarantine()["bad"]

    def test_pictures_of_a_folder_tree_are_quarantined_too(self, cli, places):
        for i in range(GOOD):
            places.put_bytes(f"{'cat' if i % 2 else 'dog'}/{i}.png", picture(i))
        places.put_bytes("cat/broken.jpg", picture(1, "JPEG", 64, 64)[:900])
        places.put_bytes("cat/notes.txt", b"some text")
        said = cli(*places.protect, "--json")
        assert (said.status, said.json["protected"], said.json["quarantined"]) == (0, GOOD, 2)
        assert "damaged or cut short" in places.quarantine()["cat_broken"]
        assert "not a picture" in places.quarantine()["cat_notes"]

    def test_too_many_stop_the_job_until_the_share_is_raised(self, cli, places):
        places.put("a.tar", [*shard(6), *sample("nolabel", None), *labelled("broken.png", b"garbage")])
        needles = (
            "2 of 8 samples",
            places.source,
            "nolabel: no label",
            "broken: it is not a picture",
            "--max-bad-share",
        )
        refuse(cli, places, 1, *needles)
        assert set(places.quarantine()) == {"nolabel", "broken"}
        said = cli(*places.protect, "--max-bad-share", 0.25, "--json")
        assert (said.status, said.json["protected"], said.json["quarantined"]) == (0, 6, 2)


class TestDamagedShards:
    @pytest.mark.parametrize("blocks", [1, 4])
    def test_a_tar_cut_at_a_block_is_refused_and_the_good_shard_stays_indexed(self, cli, places, blocks):
        places.put("a.tar", shard(4))
        places.put_bytes("b.tar", tarred(shard(4))[: 512 * blocks])
        refuse(cli, places, 1, "shard b.tar is truncated or damaged", "copy it again from its origin")
        assert (places.workspace / "dataset/index/a.tar.json").is_file()
        assert not (places.workspace / "dataset/index/b.tar.json").exists()
        places.put("b.tar", shard(4, first=4))
        said = cli(*places.protect, "--json")
        assert (said.status, said.json["protected"]) == (0, 8)

    def test_a_gzip_cut_short_is_refused(self, cli, places):
        places.put_bytes("a.tar.gz", tarred(shard(9), "w:gz")[:-40])
        refuse(cli, places, 1, "shard a.tar.gz is truncated or damaged", "copy it again")

    def test_a_tar_without_pictures_is_refused(self, cli, places):
        places.put("a.tar", [("etc/hosts", b"127.0.0.1"), ("readme.md", b"hello"), ("notes.txt", b"text")])
        refuse(cli, places, 1, "3 of 3 samples", places.source, "no picture", "quarantine.parquet")
        assert set(places.quarantine()) == {"etc/hosts", "readme", "notes"}

    def test_what_is_no_tar_is_refused(self, cli, places):
        places.put_bytes("a.tar", b"this was never a tar archive" * 100)
        refuse(cli, places, 1, "a.tar is not a tar archive", "give .tar, .tar.gz or .tgz shards")

    def test_an_empty_tar_is_refused(self, cli, places):
        places.put_bytes("a.tar", b"")
        refuse(cli, places, 1, "a.tar is not a tar archive", "give .tar")

    def test_several_damaged_shards_are_counted_in_one_line(self, cli, places):
        places.put("a.tar", shard(4))
        for name in ("b.tar", "c.tar"):
            places.put_bytes(name, tarred(shard(4))[:1024])
        refuse(cli, places, 1, "2/3 shards failed", "b.tar", "c.tar", "copy it again")
