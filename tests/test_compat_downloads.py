"""Downloads are compared with the checksum in their names, and reported."""

import functools
import hashlib
import threading
from http.server import HTTPServer, SimpleHTTPRequestHandler

import pytest
import torch
from mmengine.runner import CheckpointLoader

from mmfreekd.checkpoints import read_checkpoint
from mmfreekd.errors import CheckpointError


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """A server of one checkpoint, which gives its address by a name."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    folder = tmp_path / 'zoo'
    folder.mkdir()
    torch.save(dict(state_dict=dict(w=torch.ones(3))), folder / 'x.pth')
    content = (folder / 'x.pth').read_bytes()
    server = HTTPServer(
        ('127.0.0.1', 0), functools.partial(Quiet, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def address(digits=None):
        digest = hashlib.sha256(content).hexdigest()
        name = f'net_2x_coco-{digits or digest[:8]}.pth'
        (folder / name).write_bytes(content)
        return f'http://127.0.0.1:{server.server_port}/{name}', digest

    address.folder = folder
    yield address
    server.shutdown()


@pytest.fixture
def said(monkeypatch):
    """What is logged."""
    texts = []
    monkeypatch.setattr(
        'mmfreekd.checkpoints.downloads.print_log',
        lambda text, **kwargs: texts.append(text),
    )
    return texts


def test_a_download_is_checked_and_reported(zoo, said):
    url, digest = zoo()
    content = read_checkpoint(url, 'teacher_ckpt')
    assert content['state_dict']['w'].tolist() == [1, 1, 1]
    assert digest in said[0] and 'bytes' in said[0]
    assert 'as in its name' in said[0]


def test_another_file_than_its_name_says_is_refused(zoo, tmp_path):
    url, digest = zoo('0123abcd')
    for _ in range(2):  # nothing of it is kept
        with pytest.raises(
            CheckpointError, match=f'expected "0123abcd", got "{digest}'
        ):
            read_checkpoint(url, 'teacher_ckpt')
    assert not list((tmp_path / 'cache').rglob('*.pth'))


def test_a_cached_file_is_checked_and_left_as_it_is(zoo, tmp_path):
    url, _ = zoo()
    cached = tmp_path / 'cache/hub/checkpoints' / url.rsplit('/', 1)[1]
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b'put there by hand')
    with pytest.raises(CheckpointError, match='It is left as it is'):
        read_checkpoint(url, 'teacher_ckpt')
    assert cached.read_bytes() == b'put there by hand'


@pytest.mark.parametrize('asked', ['a+b.pth', 'a%2Bb.pth'])
@pytest.mark.parametrize('cached', ['a+b.pth', 'a%2Bb.pth'])
def test_a_plus_in_a_name_is_found_either_way(zoo, tmp_path, asked, cached):
    folder = tmp_path / 'cache/hub/checkpoints'
    folder.mkdir(parents=True)
    torch.save(dict(w=torch.ones(1)), folder / cached)
    url = f'http://127.0.0.1:9/{asked}'  # where nobody answers
    assert read_checkpoint(url, 'teacher_ckpt').keys() == {'w'}


def test_a_date_is_not_a_checksum(zoo):
    url, _ = zoo('20200130')
    assert 'state_dict' in read_checkpoint(url, 'teacher_ckpt')


def test_a_name_without_a_checksum_is_said_to_have_none(zoo, said):
    url, _ = zoo()
    CheckpointLoader.load_checkpoint(url.rsplit('/', 1)[0] + '/x.pth')
    assert 'not in its name' in said[0]


@pytest.mark.parametrize(
    'what, option',
    [
        ('teacher_ckpt', '--cfg-options model.teacher_ckpt=FILE'),
        ('load_from', 'give the path of a file instead'),
    ],
)
def test_an_address_without_a_file_says_what_to_fetch(
    zoo, tmp_path, what, option
):
    url, _ = zoo()
    url = url.replace('net', 'nowhere')
    with pytest.raises(CheckpointError) as error:
        read_checkpoint(url, what)
    name = url.split('/')[-1]
    folder = tmp_path / 'cache/hub/checkpoints'
    said = str(error.value)
    assert said.startswith(f'{what}: {url} cannot be downloaded (HTTP Error')
    assert f'Download {name} by hand and put it into {folder}' in said
    assert said.endswith(option)


@pytest.mark.parametrize(
    'url', ['http://127.0.0.1:9/net.pth', 'https://nowhere.invalid/net.pth']
)
def test_a_host_that_cannot_be_reached(monkeypatch, tmp_path, url):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    with pytest.raises(
        CheckpointError,
        match='teacher_ckpt: http.*cannot be downloaded.*Download net.pth by '
        'hand .*--cfg-options model.teacher_ckpt=FILE',
    ):
        read_checkpoint(url, 'teacher_ckpt')


def test_a_download_that_breaks_off_leaves_nothing(zoo, monkeypatch, tmp_path):
    url, _ = zoo()

    def half(handler):
        handler.send_response(200)
        handler.send_header('Content-Length', '1000')
        handler.end_headers()
        handler.wfile.write(b'x' * 10)

    monkeypatch.setattr(Quiet, 'do_GET', half)
    with pytest.raises(CheckpointError, match='cannot be downloaded|SHA-256'):
        read_checkpoint(url, 'teacher_ckpt')
    assert not [p for p in (tmp_path / 'cache').rglob('*') if p.is_file()]


def test_a_download_is_not_trusted(zoo):
    torch.save(dict(harm=print), zoo.folder / 'harm.pth')
    url, _ = zoo()
    with pytest.raises(CheckpointError, match='not loaded from files'):
        read_checkpoint(url.rsplit('/', 1)[0] + '/harm.pth', 'teacher_ckpt')
