"""What a job does with options and files that ask for what can't be: through the command line."""

import pytest
import torch

from tests.flows.cli_helpers import refuse
from tests.tasks.shard.helpers import picture, shard


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
            (("--norm", "l2"), ("budget", "no default epsilon", "--epsilon", "443 at 32 px")),
            (
                ("--method", "error-minimizing", "--preset", "paper", "--public", "digits"),
                ("joint noise", "--procedure two-phase", "--public"),
            ),
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
