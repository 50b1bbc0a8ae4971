"""What the device gives when nothing stands between: bare convolutions of a network, and a matrix product."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks._steps import SIZE, build_ours
from tasks.nn.fold import fold


@dataclass(frozen=True)
class Layer:
    """A convolution with random input, and the random gradient of its output."""

    x: Tensor
    weight: Tensor
    bias: Tensor
    stride: tuple[int, int]
    padding: tuple[int, int]
    gradient: Tensor

    @property
    def macs(self) -> float:
        """Multiplications an image, forward."""
        return self.gradient[0].numel() * self.weight[0].numel()

    def run(self) -> None:
        """Forward, and the gradient of the input."""
        torch.conv2d(self.x, self.weight, self.bias, self.stride, self.padding)
        torch.ops.aten.convolution_backward(
            *(self.gradient, self.x, self.weight, [len(self.bias)]),
            *(self.stride, self.padding, (1, 1), False, (0, 0), 1, (True, False, False)),
        )


def layers(network: str, count: int, device: torch.device, dtype: torch.dtype) -> list[Layer]:
    """The convolutions of a folded network at the shapes they have for `count` pictures, channels_last."""
    found: list[Layer] = []

    def drawn(shape: torch.Size) -> Tensor:
        return torch.randn(count, *shape[1:], device=device).to(dtype).to(memory_format=torch.channels_last)

    def note(conv: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        weight, bias = conv.weight.to(dtype).to(memory_format=torch.channels_last), conv.bias.to(dtype)
        x, gradient = drawn(inputs[0].shape), drawn(output.shape)
        found.append(Layer(x, weight, bias, conv.stride, conv.padding, gradient))

    model = fold(build_ours(network, device))
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(note)
    with torch.no_grad():
        model(torch.zeros(1, 3, SIZE, SIZE, device=device))
    return found


def convolutions(of: list[Layer]) -> Callable[[], None]:
    """All of them once, one after another."""

    @torch.no_grad()
    def run() -> None:
        for layer in of:
            layer.run()

    return run


def matmul(device: torch.device, dtype: torch.dtype) -> tuple[Callable[[], object], float]:
    """A few products of large square matrices, and how many GFLOP they take: a GPU's limit.

    On a CPU it is none: the convolutions reach more than such products do.
    """
    side, times = 8192, 10
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return lambda: [a @ b for _ in range(times)], times * 2 * side**3 / 1e9
