import shutil

import pytest
from runs import make_workspace


@pytest.fixture(scope='session')
def workspace(tmp_path_factory):
    """A folder that looks as after the demo's teachers."""
    path = tmp_path_factory.mktemp('workspace')
    yield make_workspace(path)
    shutil.rmtree(path, ignore_errors=True)
