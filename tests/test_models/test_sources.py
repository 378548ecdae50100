import pytest
import torch
from torch import nn
from torch.testing import assert_close

from mmfreekd.errors import UsageError
from mmfreekd.models.sources import StopAfter, find_source


class Model(nn.Module):
    """Runs its neck as often as it is told, then its head."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.ModuleDict(
            dict(layer3=nn.Linear(2, 2), layer4=nn.Linear(2, 2))
        )
        self.neck = nn.Linear(2, 2)
        self.spare = nn.Linear(2, 2)
        self.head = nn.Linear(2, 2)
        self.ran = []
        for name, module in self.named_modules():
            module.register_forward_hook(
                lambda *_, name=name: self.ran.append(name)
            )

    def forward(self, x, times=1):
        x = self.backbone.layer4(self.backbone.layer3(x))
        for _ in range(times):
            x = self.neck(x)
        return self.head(x)


def test_finds_a_module_by_its_name():
    model = Model()
    assert (
        find_source(model, 'backbone.layer4', 'teacher')
        is model.backbone.layer4
    )


@pytest.mark.parametrize(
    'source, near',
    [
        ('backbone.layer5', 'backbone.layer4'),
        ('neek', 'neck'),
        ('layer3', 'backbone.layer3'),
        ('zzzz', 'backbone, neck, spare, head'),
        ('', 'backbone, neck, spare, head'),
    ],
)
def test_suggests_near_names(source, near):
    with pytest.raises(
        UsageError,
        match=r'the student \(Model\) has no layer '
        f"'{source}'. Did you mean one of: .*{near}",
    ):
        find_source(Model(), source, 'student')


@pytest.mark.parametrize(
    'times, ran',
    [
        ({'backbone.layer3': 1}, ['backbone.layer3']),
        ({'neck': 1}, ['backbone.layer3', 'backbone.layer4', 'neck']),
        (
            {'neck': 1, 'backbone.layer3': 1},
            ['backbone.layer3', 'backbone.layer4', 'neck'],
        ),
        ({'neck': 2}, ['backbone.layer3', 'backbone.layer4', 'neck', 'neck']),
        (
            {},
            ['backbone.layer3', 'backbone.layer4', 'neck', 'neck', 'head', ''],
        ),
    ],
)
def test_stops_as_soon_as_all_sources_ran(times, ran):
    model = Model()
    run = StopAfter(model, times)
    for _ in range(2):  # and again
        model.ran.clear()
        run(torch.zeros(1, 2), times=2)
        assert model.ran == ran


def test_the_model_runs_to_its_end_by_itself():
    model = Model()
    x = torch.randn(1, 2)
    expected = model(x)
    StopAfter(model, {'neck': 1})(x)
    assert_close(model(x), expected)


def test_an_error_inside_the_model_is_not_swallowed():
    model = Model()
    run = StopAfter(model, {'neck': 1})
    with pytest.raises(RuntimeError, match='shapes cannot be multiplied'):
        run(torch.zeros(1, 3))
    model.ran.clear()
    run(torch.zeros(1, 2))
    assert model.ran[-1] == 'neck'


@pytest.mark.parametrize('times', [{'spare': 1}, {'neck': 3}])
def test_a_source_that_is_not_passed_is_named(times):
    run = StopAfter(Model(), times)
    said = rf'without passing {list(times)[0]} .*source \(stage 1\)'
    with pytest.raises(UsageError, match=said):
        run(torch.zeros(1, 2))


def test_refuses_a_source_that_does_not_exist():
    with pytest.raises(UsageError, match="no layer 'nek'.*neck"):
        StopAfter(Model(), {'nek': 1})
