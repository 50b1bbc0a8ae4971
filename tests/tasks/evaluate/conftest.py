import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    """For pictures as small as these, threads cost more than they give."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
