"""What a job does with input that is not as it should be: through the command line, on real files."""

import errno
import os
import struct
import zlib

import cv2
import pytest
import torch
from botocore.exceptions import NoCredentialsError
from PIL import ImageFile
from s3fs import S3FileSystem

from tests.flows.cli_helpers import KEY, Places, failing_writes, sample, tree, unlearnable
from tests.tasks.shard.helpers import picture, shard, tarred

LAYOUTS = "give a folder CLASS/IMAGE"
GOOD = 20


@pytest.fixture
def cli(prefect_server, monkeypatch):
    monkeypatch.setenv("UNLEARNABLE_KEY", KEY)
    return unlearnable


@pytest.fixture
def places(tmp_path):
    return Places(tmp_path)


def refuse(cli, places, status, *needles, command=None, finished=()):
    """Run a command that must fail with `status` and one line that holds all `needles`, and that loses nothing.

    Below the places' folder nothing may change or be added but for the workspace, and for the shards `finished`.
    """
    before = tree(places.root)
    said = cli(*(command or places.protect))
    after = tree(places.root)
    assert said.status == status, said
    line = said.error
    assert [str(needle) for needle in needles if str(needle) not in line] == [], line
    assert "; " in line, "no mend"
    assert "Traceback" not in said.err
    assert said.out == ""
    assert {name: after.get(name) for name in before} == before
    added = {name for name in after.keys() - before.keys() if name.partition("/")[0] != places.workspace.name}
    assert added == {f"{places.destination.name}/{name}" for name in finished} | (
        {places.destination.name} if finished else set()
    )
    return line


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


class TestNumbersAndNames:
    """Bad usage: nothing is started, so nothing at all is written, not even the workspace."""

    @pytest.mark.parametrize(
        ("more", "needles"),
        [
            (("--epsilon", 0), ("budget.epsilon", "0", "greater than or equal to 1")),
            (("--epsilon", 65), ("budget", "epsilon", "65", "at most 64")),
            (("--epsilon", "x"), ("--epsilon", "integer", "unlearnable protect --help")),
            (("--epsilon", "8.5"), ("--epsilon", "integer", "unlearnable protect --help")),
            (("--epsilon", -1), ("budget.epsilon", "-1")),
            (("--fraction", 0), ("coverage.fraction", "0")),
            (("--fraction", 1.5), ("coverage.fraction", "1.5")),
            (("--fraction", "nan"), ("coverage.fraction", "nan")),
            (("--limit", 0), ("source.limit", "0")),
            (("--max-bad-share", 2), ("source.max_bad_share", "2")),
            (("--workers", 0), ("workers", "0")),
            (("--method", "magic"), ("method", "magic", "error-minimizing", "random")),
            (("--form", "pixel-wise"), ("form", "pixel-wise", "class-wise")),
            (("--procedure", "both"), ("procedure",)),
            (("--method", "random", "--source-model", "tiny"), ("source_model", "tiny")),
            (("--method", "error-minimizing", "--source-model", "vgg"), ("source_model", "vgg", "resnet18")),
            (("--method", "error-minimizing", "--form", "class-wise", "--procedure", "joint"), ("joint", "class-wise")),
            (("--device", "tpu"), ("device", "tpu", "cuda")),
            (("--format", "zip"), ("source.format", "zip", "webdataset")),
            (("--split", "a/b"), ("source.split", "a/b")),
            (("--classes", ","), ("coverage.classes",)),
            (("--frob", 1), ("--frob", "unlearnable protect --help")),
            (("--epsilon",), ("--epsilon", "--help")),
        ],
    )
    def test_a_bad_option_is_bad_usage(self, cli, places, more, needles):
        places.put("a.tar", shard(4))
        refuse(cli, places, 2, *needles, command=(*places.protect, *more))
        assert not places.workspace.exists()

    @pytest.mark.parametrize(
        ("arguments", "needles"),
        [
            (("protect",), ("SOURCE", "unlearnable protect --help")),
            (("protect", "a"), ("DEST", "unlearnable protect --help")),
            (("protect", "a", "b"), ("--workspace", "unlearnable protect --help")),
            (("verify", "a"), ("--clean", "unlearnable verify --help")),
            (("frobnicate",), ("frobnicate", "unlearnable --help")),
            (("--frob",), ("--frob", "unlearnable --help")),
        ],
    )
    def test_a_missing_or_unknown_word_is_bad_usage(self, cli, places, arguments, needles):
        refuse(cli, places, 2, *needles, command=arguments)

    @pytest.mark.parametrize(
        ("more", "needles"),
        [
            (("--victims", "vgg"), ("no victim is called vgg", "tiny")),
            (("--victims", ""), ("victims",)),
            (("--countermeasures", "prayer"), ("no countermeasure is called prayer", "grayscale")),
            (("--countermeasures", "jpeg-\u00b2"), ("no countermeasure is called jpeg-\u00b2", "grayscale")),
            (("--countermeasures", "jpeg-101"), ("quality", "101")),
            (("--countermeasures", "none-3"), ("no countermeasure is called none-3",)),
            (("--device", "tpu"), ("device", "tpu", "cuda")),
            (("--seeds", 0), ("seeds", "0")),
            (("--epochs", 0), ("epochs", "0")),
        ],
    )
    def test_a_bad_option_of_evaluate_is_bad_usage(self, cli, places, more, needles):
        command = ("evaluate", places.destination, "--clean", "digits", "--test", "digits")
        refuse(cli, places, 2, *needles, command=(*command, "--workspace", places.workspace, *more))
        assert not places.workspace.exists()

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    @pytest.mark.parametrize("command", ["protect", "plan", "evaluate"])
    def test_cuda_without_a_gpu_is_bad_usage(self, cli, places, command):
        places.put("a.tar", shard(4))
        whole = (*places.arguments(command), "--device", "cuda")
        if command == "evaluate":
            whole = ("evaluate", places.destination, "--clean", places.source, "--test", places.source)
            whole = (*whole, "--workspace", places.workspace, "--device", "cuda")
        refuse(cli, places, 2, "device cuda is not there", "--device cpu", command=whole)
        assert not places.workspace.exists()

    def test_an_unknown_class_is_named_with_those_that_there_are(self, cli, places):
        places.put("a.tar", shard(4))
        command = (*places.protect, "--classes", "1,cat")
        refuse(cli, places, 2, "--classes names cat", "its classes are 0, 1", command=command)


class TestConfigurationFile:
    @pytest.mark.parametrize(
        ("text", "needles"),
        [
            ("budgte: {epsilon: 4}", ("budgte", "not permitted")),
            ("budget: {eps: 4}", ("budget.eps", "not permitted")),
            ("budget: 4", ("budget",)),
            ("method: random", ("method",)),
            ("public: somewhere", ("public",)),
            ("1: 2", ("Keys should be strings", "1")),
            ("- epsilon", ("config.yaml", "no mapping of fields")),
            ("just words", ("config.yaml", "no mapping of fields")),
            ("", ("config.yaml", "no mapping of fields")),
            ("a: [1, {", ("config.yaml", "can't be read")),
            ("\x00\x01", ("config.yaml", "can't be read")),
        ],
    )
    def test_a_bad_file_is_bad_usage(self, cli, places, text, needles):
        places.put("a.tar", shard(4))
        (places.root / "config.yaml").write_text(text)
        command = places.arguments("protect", "--config", places.root / "config.yaml")
        refuse(cli, places, 2, *needles, command=command)
        assert not places.workspace.exists()

    def test_a_missing_file_is_bad_usage(self, cli, places):
        command = places.arguments("protect", "--config", places.root / "gone.yaml")
        refuse(cli, places, 2, "gone.yaml", "No such file", "YAML or JSON", command=command)


class TestMapping:
    @pytest.fixture
    def command(self, places):
        """Private classes cat and dog, public ones feline and canine."""
        for i in range(2):
            for name in ("cat", "dog"):
                places.put_bytes(f"{name}/{i}.png", picture(i))
            for name in ("feline", "canine"):
                (places.root / "public" / name).mkdir(parents=True, exist_ok=True)
                (places.root / "public" / name / f"{i}.png").write_bytes(picture(i + 9))
        return (*places.protect, "--public", places.root / "public", "--mapping", places.root / "mapping.yaml")

    @pytest.mark.parametrize(
        ("text", "needles"),
        [
            ("{cat: feline, dog: wolf}", ("maps to wolf", "public dataset", "canine, feline")),
            ("{cat: feline, dog: canine, cow: feline}", ("maps cow", "private dataset", "cat, dog")),
            ("{cat: feline}", ("maps no class for dog", "add them")),
            ("cat: [feline", ("can't be parsed", "YAML or JSON")),
            ("- cat", ("is no mapping", "PRIVATE_CLASS: PUBLIC_CLASS")),
            ("", ("is no mapping", "PRIVATE_CLASS: PUBLIC_CLASS")),
        ],
    )
    def test_a_bad_mapping_is_bad_usage(self, cli, places, command, text, needles):
        (places.root / "mapping.yaml").write_text(text)
        refuse(cli, places, 2, places.root / "mapping.yaml", *needles, command=command)

    def test_a_missing_mapping_is_named(self, cli, places, command):
        refuse(cli, places, 1, f"can't read {places.root / 'mapping.yaml'}", "nothing is there", command=command)

    def test_classes_that_match_no_name_ask_for_a_mapping(self, cli, places, command):
        refuse(cli, places, 2, "no public class is called like cat, dog", "--mapping", command=command[:-2])

    def test_a_mapping_without_a_public_dataset_is_bad_usage(self, cli, places, command):
        (places.root / "mapping.yaml").write_text("{cat: dog, dog: cat}")
        alone = (*places.protect, "--mapping", places.root / "mapping.yaml")
        refuse(cli, places, 2, places.root / "mapping.yaml", "--public", command=alone)

    def test_a_good_mapping_is_taken(self, cli, places, command):
        (places.root / "mapping.yaml").write_text("{cat: feline, dog: canine}")
        assert cli(*command).status == 0


class TestPlaces:
    @pytest.mark.parametrize("command", ["protect", "plan"])
    @pytest.mark.parametrize(
        ("source", "destination", "workspace", "needles"),
        [
            ("source", "source", "private", ("destination", "source", "never written to")),
            ("source", "protected", "protected", ("workspace", "is the destination", "private place")),
            ("source", "protected", "protected/private", ("workspace", "lies in the destination", "private place")),
            ("source", "private/protected", "private", ("destination", "lies in the workspace", "outside it")),
            ("source", "source/protected", "private", ("destination", "source", "never written to")),
            ("source", "protected", "source/private", ("workspace", "source", "never written to")),
            ("source", ".", "private", ("workspace", "lies in the destination")),
            ("source", "source/../source/", "private", ("destination", "source", "never written to")),
            ("source", "link", "private", ("destination", "source", "never written to")),
            ("source/*.tar", "source", "private", ("destination", "source", "never written to")),
            ("source/*.tar", "protected", "source", ("workspace", "source", "never written to")),
            ("*/*.tar", "protected", "private", ("destination", "source", "never written to")),
            ("**", "protected", "private", ("destination", "source", "never written to")),
            ("source/a.tar", "source", "private", ("destination", "source", "never written to")),
        ],
    )
    def test_places_that_are_one_or_nested_are_refused(
        self, cli, places, source, destination, workspace, needles, command
    ):
        places.put("a.tar", shard(4))
        (places.root / "link").symlink_to(places.source)
        paths = [f"{places.root}/{name}" for name in (source, destination, workspace)]
        line = refuse(cli, places, 2, *needles, command=(command, *paths[:2], "--workspace", paths[2]))
        assert paths[1] in line or paths[2] in line
        assert not places.workspace.exists()

    def test_a_public_dataset_is_not_written_to_either(self, cli, places):
        places.put("a.tar", shard(4))
        for inside in ("public", "public/copy"):
            command = ("protect", places.source, places.root / inside, "--workspace", places.workspace)
            refuse(cli, places, 2, "destination", "public", command=(*command, "--public", places.root / "public"))

    def test_a_glob_beside_its_destination_is_fine(self, cli, places):
        places.put("a.tar", shard(4))
        command = ("protect", places.source / "*.tar", places.source / "protected", "--workspace")
        said = cli(*command, places.source / "private", "--method", "random", "--json")
        assert (said.status, said.json["protected"]) == (0, 4)
        again = cli(*command, places.source / "private", "--method", "random", "--json")
        assert (again.status, again.json["protected"], again.json["skipped_shards"]) == (0, 4, 1)

    def test_somebody_elses_files_are_not_written_over(self, cli, places):
        places.put("a.tar", shard(4))
        places.destination.mkdir()
        (places.destination / "holiday.jpg").write_bytes(b"a photo")
        refuse(cli, places, 2, places.destination, "1 files, such as holiday.jpg", "empty destination")

    @pytest.mark.parametrize("text", ['{"name": "somebody\'s"}', "no JSON", '{"schema_version": 9, "job": "x"}'])
    def test_somebody_elses_manifest_is_not_written_over(self, cli, places, text):
        places.put("a.tar", shard(4))
        places.destination.mkdir()
        (places.destination / "manifest.json").write_text(text)
        line = refuse(cli, places, 2, places.destination, "manifest.json", "empty destination")
        assert "remove it" not in line

    def test_another_jobs_output_is_not_written_over(self, cli, places):
        places.put("a.tar", shard(4))
        assert cli(*places.protect).status == 0
        other = ("protect", places.source, places.destination, "--workspace", places.root / "private" / ".." / "other")
        before = tree(places.destination)
        said = cli(*other, "--method", "random")
        assert said.status == 2
        assert f"destination {places.destination} holds another job's output" in said.error
        assert "that job's workspace" in said.error
        assert tree(places.destination) == before

    def test_a_workspace_serves_one_destination(self, cli, places):
        places.put("a.tar", shard(4))
        assert cli(*places.protect).status == 0
        other = ("protect", places.source, places.root / "second", "--workspace", places.workspace)
        refuse(cli, places, 2, places.workspace, places.destination, "workspace of its own", command=other)

    def test_what_somebody_put_beside_the_shards_stays_there(self, cli, places):
        places.put("a.tar", shard(4))
        places.put("b.tar", shard(4))
        assert cli(*places.protect).status == 0
        (places.destination / "backup.tar").write_bytes(b"not ours")
        (places.source / "b.tar").unlink()
        assert cli(*places.protect).status == 0
        assert set(places.published()) == {"a.tar", "backup.tar"}

    @pytest.mark.parametrize("inside", ["protected", "protected/reports", "source/reports"])
    def test_an_evaluation_writes_into_nothing_published_and_no_source(self, cli, places, inside):
        places.put("a.tar", shard(4))
        command = ("evaluate", places.destination, "--clean", places.source, "--test", places.source)
        command = (*command, "--workspace", places.root / inside)
        refuse(cli, places, 2, places.root / inside, "give", command=command)


class TestNoPermission:
    @pytest.mark.parametrize("place", ["destination", "workspace"])
    def test_a_place_that_may_not_be_written_is_named(self, cli, places, monkeypatch, place):
        places.put("a.tar", shard(4))
        folder = getattr(places, place)
        with monkeypatch.context() as patch:
            failed = failing_writes(patch, folder, PermissionError(errno.EACCES, "Permission denied"))
            before = tree(places.source)
            said = cli(*places.protect)
        assert failed
        assert said.status == 1
        assert f"can't write {folder}" in said.error
        assert "no permission (Permission denied); check the credentials and the rights" in said.error
        assert tree(places.source) == before
        assert not (places.destination / "manifest.json").exists()
        assert cli(*places.protect).status == 0

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
    def test_a_source_that_may_not_be_read_is_named(self, cli, places):
        places.put("a.tar", shard(4)).chmod(0)
        said = cli(*places.protect)
        assert said.status == 1
        assert "a.tar: no permission" in said.error

    def test_a_source_that_may_not_be_read_is_named_whoever_asks(self, cli, places, monkeypatch):
        places.put("a.tar", shard(4))
        real = open

        def refuse_tars(path, *rest, **options):
            if str(path).endswith("a.tar"):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return real(path, *rest, **options)

        monkeypatch.setattr("builtins.open", refuse_tars)
        said = cli(*places.protect)
        monkeypatch.undo()
        assert said.status == 1
        assert (
            f"can't read {places.source}/a.tar: no permission (Permission denied); check the credentials" in said.error
        )

    @pytest.mark.parametrize("side", ["source", "destination"])
    @pytest.mark.parametrize(
        ("error", "needles"),
        [
            (PermissionError("Access Denied"), ("no permission (Access Denied)", "check the credentials")),
            (NoCredentialsError(), ("Unable to locate credentials", "AWS_ACCESS_KEY_ID")),
        ],
        ids=["wrong", "none"],
    )
    def test_credentials_of_a_bucket_that_do_not_do_are_named(self, cli, places, monkeypatch, side, error, needles):
        async def call(*_, **__):
            raise error

        monkeypatch.setattr(S3FileSystem, "_call_s3", call)
        places.put("a.tar", shard(4))
        paths = (places.source, "s3://bucket/it") if side == "destination" else ("s3://bucket/it", places.destination)
        command = ("protect", *paths, "--workspace", places.workspace, "--method", "random")
        refuse(cli, places, 1, "s3://bucket/it", *needles, command=command)


class TestNoSpace:
    @pytest.mark.parametrize("place", ["destination", "workspace"])
    def test_a_full_disk_keeps_what_is_done_and_the_same_command_finishes_later(self, cli, places, monkeypatch, place):
        for name in ("a.tar", "b.tar", "c.tar"):
            places.put(name, shard(3))
        whole = Places(places.root / "unbroken")
        whole.root.mkdir()
        whole.source.symlink_to(places.source)
        assert cli(*whole.protect).status == 0

        before = tree(places.source)
        # In the workspace: the job, three indices, the manifest and so on go well; a marker of a shard does not.
        rewritten = places.destination if place == "destination" else places.workspace / "rewrite"
        with monkeypatch.context() as patch:
            failed = failing_writes(patch, rewritten, OSError(errno.ENOSPC, "No space left on device"), after=1)
            said = cli(*places.protect)
        assert failed
        assert said.status == 1
        assert f"can't write {rewritten}/" in said.error
        assert "no space left; free some space and run it again" in said.error
        assert tree(places.source) == before
        assert not (places.destination / "manifest.json").exists()
        assert (places.workspace / "rewrite/a.tar.json").is_file()
        assert places.published()["a.tar"] == whole.published()["a.tar"]
        assert [path for path in places.root.rglob(".tmp-*") if path.is_file()] == []

        again = cli(*places.protect, "--json")
        assert (again.status, again.json["skipped_shards"], again.json["protected"]) == (0, 1, 9)
        assert places.published() == whole.published()
        assert len(places.published()) == 3
        assert cli("verify", places.destination, "--clean", places.source).status == 0
