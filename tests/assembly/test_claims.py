import re

import pytest
import torch

from deap_nas import FlatSpace, NetworkTemplate, register_operation
from deap_nas.assembly import build_network
from deap_nas.assembly import claims as claims_module
from deap_nas.assembly.claims import changes_its_input, judge, judge_operation
from deap_nas.errors import SettingsError, UnknownNameError
from deap_nas.graph import Conv2d, GlobalAvgPool2d, Linear, conv_bn_relu, operation_names
from tests import lying

TEMPLATE = NetworkTemplate.small_cifar(channels=4)
SHAPE = (6, 9, 8)
WRONG = {
    lying.WithBias: "says it has 54 parameters, and its module has 60",
    lying.Shrinking: r"says that \(6, 9, 8\) becomes \(6, 9, 8\), and its module gives \(6, 7, 6\)",
    lying.Free: r"says that it takes 0 FLOPs on \(6, 9, 8\), and its module takes 7,776",
    lying.Busy: "says that it takes 15,552 FLOPs .* takes 7,776",
    lying.ByChannel: "says that each channel is the same function",
}


@pytest.fixture(autouse=True)
def _as_in_a_new_process(monkeypatch):
    monkeypatch.setattr(claims_module, "_CHECKED", set())


@pytest.fixture(scope="module", autouse=True)
def _operations():
    """An operation of each layer, under its name."""
    for kind in (lying.Dilated, lying.OfUnseenWork, lying.ForOtherDevices, *WRONG):
        register_operation(kind.__name__)(lambda in_channels, channels, kind=kind: (kind(in_channels),))


@pytest.mark.parametrize("by_operators", [False, True])
@pytest.mark.parametrize("kind", WRONG)
def test_what_a_layer_is_wrong_about_is_found(kind, by_operators):
    (claim,) = judge(kind(6), SHAPE, by_operators=by_operators).false_claims
    assert re.match(WRONG[kind], claim)


@pytest.mark.parametrize("by_operators", [False, True])
@pytest.mark.parametrize("layer", [lying.Dilated(6), lying.OfItsOwn(6), lying.OfUnseenWork(6), lying.SiLU()])
def test_a_layer_that_tells_the_truth_is_not_accused(layer, by_operators):
    assert judge(layer, SHAPE, by_operators=by_operators) == ([], "")


def test_work_that_a_forward_calls_as_functions_is_counted_where_operators_are():
    assert judge(lying.OfItsOwnAndFree(6), SHAPE).false_claims == []
    assert len(judge(lying.OfItsOwnAndFree(6), SHAPE, by_operators=True).false_claims) == 1


def test_a_module_that_does_not_run_here_is_not_compared_but_for_its_parameters():
    verdict = judge(lying.ForOtherDevices(6), SHAPE)
    assert verdict.false_claims == []
    assert "takes no (6, 9, 8) on the CPU: RuntimeError: no kernel for the CPU" in verdict.unchecked


def test_a_module_that_cannot_be_built_is_not_compared():
    verdict = judge(Conv2d(6, 2**40, 2**20 + 1), SHAPE)
    assert verdict.false_claims == []
    assert verdict.unchecked.startswith("its module cannot be built: RuntimeError: ")


@pytest.mark.parametrize("name", [name for name in operation_names() if name.islower()])
def test_the_operations_of_the_package_tell_the_truth(name):
    for channels in ((4, 4), (12, 4)):
        assert judge_operation(name, *channels, size=7) == ([], "")


@pytest.mark.parametrize("by_operators", [False, True])
@pytest.mark.parametrize(
    ("layer", "shape"), [(Linear(6, 4), (6, 1, 1)), (GlobalAvgPool2d(), SHAPE), (Conv2d(6, 4, 5, stride=2), SHAPE)]
)
def test_the_layers_around_cells_tell_the_truth(layer, shape, by_operators):
    assert judge(layer, shape, by_operators=by_operators) == ([], "")


@pytest.mark.parametrize("naive", [False, True])
@pytest.mark.parametrize("kind", WRONG)
def test_a_layer_that_is_wrong_about_itself_is_refused_when_it_is_first_built(kind, naive):
    space = FlatSpace(nodes=2, operations=(kind.__name__,))
    with pytest.raises(SettingsError, match=rf"the layer {kind.__name__}\(channels=4\) says .*LayerContract"):
        build_network(space, [1], TEMPLATE, naive=naive)


@pytest.mark.parametrize("kind", [lying.Dilated, lying.OfUnseenWork, lying.ForOtherDevices])
def test_each_layer_is_judged_once_and_draws_nothing(kind, monkeypatch):
    judged = []
    monkeypatch.setattr(claims_module, "judge", lambda layer, shape: judged.append(layer) or judge(layer, shape))
    space, outcomes = FlatSpace(nodes=3, operations=(kind.__name__,), merge="add"), []
    for _ in range(2):
        torch.manual_seed(1)
        network = build_network(space, space.up, TEMPLATE)
        outcomes.append([*network.state_dict().values(), torch.rand(3)])
    assert judged == [kind(4), kind(8), kind(16)]
    assert all(map(torch.equal, *outcomes))


def test_a_network_of_the_package_alone_is_not_judged(monkeypatch):
    monkeypatch.setattr(claims_module, "judge", None)
    space = FlatSpace(nodes=3)
    build_network(space, space.up, TEMPLATE)


def test_a_layer_that_cannot_be_hashed_is_built():
    class Unhashable(lying.Dilated):
        __hash__ = None

    register_operation("unhashable_of_the_test")(lambda in_channels, channels: (Unhashable(in_channels),))
    space = FlatSpace(nodes=2, operations=("unhashable_of_the_test",))
    assert build_network(space, [1], TEMPLATE)


def test_what_changes_its_input_is_told():
    assert changes_its_input((lying.SiLU(inplace=True),), SHAPE)
    assert not changes_its_input((*conv_bn_relu(6, 6, 1), lying.SiLU(inplace=True)), SHAPE)


def test_an_operation_is_judged_layer_by_layer():
    register_operation("wrong_in_the_end")(
        lambda in_channels, channels: (*conv_bn_relu(in_channels, channels, 1), lying.Free(channels))
    )
    (claim,) = judge_operation("wrong_in_the_end", 12, 4, size=8).false_claims
    assert claim.startswith("has the layer Free(channels=4), which says that it takes 0 FLOPs on (4, 8, 8)")
    with pytest.raises(UnknownNameError):
        judge_operation("of_nobody", 12, 4, size=8)
