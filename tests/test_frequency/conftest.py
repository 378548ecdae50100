"""Each test on the CPU, and on a GPU where there is one."""

import pytest
import torch

needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available(), reason='needs a GPU'
)


@pytest.fixture(
    params=['cpu', pytest.param('cuda', marks=needs_cuda)], autouse=True
)
def device(request):
    """Where a test makes its tensors."""
    if request.param == 'cpu':
        yield request.param
        return
    with torch.device(request.param):
        yield request.param
