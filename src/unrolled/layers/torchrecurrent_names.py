"""torchrecurrent's classes and tensors, by our cells' names: one row for each class of torchrecurrent 0.2.5.

A row is called as the layer is ("MGU"; its cell is "MGUCell") and says

    cell        our cell's name
    parts       for each of torchrecurrent's tensors (parameters and buffers), where its chunks go:
                as many names as it has equal chunks along its first axis, in their order. Every
                tensor of the class is named.
                "W_f"   that parameter of ours. A parameter named more than once is the sum of all
                        chunks that name it, so that torchrecurrent's two biases add up: bias_ih=("b_f",
                        "b_n"), bias_hh=("b_f", "b_n")
                "-b_f"  the negative of the chunk;  "U.T" its transpose;  both: "-U.T"
                ("W_f", "V_f")   the same chunk for two parameters
                None    ours has nothing like it: loading is an error unless the chunk is zero
                Between shapes () and (1,), or a stack (k, H, H) and its (k * H, H), the chunk is reshaped.
    trained     parameters that our cell fixes and torchrecurrent trains: they are trained after conversion, too
    zero        parameters of ours that torchrecurrent does not have; they are zero. What is
                named nowhere is an error
    using       hyper-parameters that make our cell theirs, as in `cell.using(...)`
    attributes  hyper-parameters of ours that are read off their cell, or off their layer where the cell
                has none: {"dt": ("dt", 1.0)} reads cell.dt, a number; {"nonlinearity": ("act", "tanh")}
                reads the name of the module cell.act. The second of the pair is torchrecurrent's own
                default, for a state_dict alone
    needs       activation modules that our cell has in its equations: {"gate_act":
                "sigmoid"}; any other is an error
    states      our states in the order of theirs; left out where the order is the same. A state of ours named
                twice stands for two of theirs that are always equal; one not named begins at its start value
    note        where torchrecurrent contradicts the paper, and how this row deals with it

Whether a row is right is measured in tests/test_torchrecurrent.py, which runs every row of this table against
the installed torchrecurrent: outputs, final states and all gradients in float64, with random biases and random
states. Keep the rows in alphabetical order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Part = str | tuple[str, ...] | None


@dataclass(frozen=True)
class ClassNames:
    """How one torchrecurrent class reads in our names; the fields are described at the top of this file."""

    cell: str
    parts: Mapping[str, tuple[Part, ...]]
    trained: tuple[str, ...] = ()
    zero: tuple[str, ...] = ()
    using: Mapping[str, object] = field(default_factory=dict)
    attributes: Mapping[str, tuple[str, object]] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    states: tuple[str, ...] = ()
    note: str = ""


def _gates(*names: str, input: str = "W", recurrent: str = "U") -> dict[str, tuple[Part, ...]]:
    """The common case: weight_ih, weight_hh and two biases that add up, all with the same
    gates in the same order.
    """
    biases = tuple(f"b_{name}" for name in names)
    return {
        "weight_ih": tuple(f"{input}_{name}" for name in names),
        "weight_hh": tuple(f"{recurrent}_{name}" for name in names),
        "bias_ih": biases,
        "bias_hh": biases,
    }


ROWS: dict[str, ClassNames] = {
    "AntisymmetricRNN": ClassNames(
        "antisymmetric_rnn",
        {"weight_ih": ("W",), "weight_hh": ("U",), "bias_ih": ("b",), "bias_hh": ("b",)},
        attributes={"epsilon": ("epsilon", 1.0), "gamma": ("gamma", 0.0)},
        needs={"act": "tanh"},
    ),
    "ATR": ClassNames(
        "atr", {"weight_ih": ("W",), "weight_hh": ("U",), "bias_ih": ("b_p",), "bias_hh": ("b_q",)}
    ),
    "BR": ClassNames(
        "brc",
        {
            "weight_ih": ("W_a", "W_c", "W_h"),
            "weight_hh": ("u_a", "u_c"),
            "bias_ih": ("b_a", "b_c", "b_h"),
            "bias_hh": ("b_a", "b_c"),
        },
    ),
    "CFN": ClassNames(
        "cfn",
        {
            "weight_ih": ("W_theta", "W_eta", "W_h"),
            "weight_hh": ("U_theta", "U_eta"),
            "bias_ih": ("b_theta", "b_eta", "b_h"),
            "bias_hh": ("b_theta", "b_eta"),
        },
    ),
    "coRNN": ClassNames(
        "cornn",
        {
            "weight_ih": ("W",),
            "weight_hh": ("U_y",),
            "weight_ch": ("U_z",),
            "bias_ih": ("b",),
            "bias_hh": ("b",),
            "bias_ch": ("b",),
        },
        attributes={"dt": ("dt", 0.1), "gamma": ("gamma", 1.0), "epsilon": ("epsilon", 1.0)},
    ),
    "DSGU": ClassNames(
        "dsgu",
        {
            "weight_ih": ("W_x", "W_z"),
            "weight_hh": ("U_m", "U_z"),
            "weight_ho": ("U_o",),
            "bias_ih": ("b_x", "b_z"),
            "bias_hh": ("b_m", "b_z"),
        },
        using={"slope": 1 / 6},
        needs={"act": "tanh", "output_act": "sigmoid", "gate_act": "hard_sigmoid"},
        note="torch's hard sigmoid has slope 1/6, that of Theano and Keras had 0.2.",
    ),
    "FastGRNN": ClassNames(
        "fast_grnn",
        {
            "weight_ih": ("W",),
            "weight_hh": ("U",),
            "bias_ih": ("b_z", "b_h"),
            "bias_hh": ("b_z", "b_h"),
            "zeta": ("zeta",),
            "nu": ("nu",),
        },
        attributes={"gate": ("act", "tanh")},
        note="The paper's gate is a sigmoid; torchrecurrent's default is tanh.",
    ),
    "FastRNN": ClassNames(
        "fast_rnn",
        {
            "weight_ih": ("W",),
            "weight_hh": ("U",),
            "bias_ih": ("b",),
            "bias_hh": ("b",),
            "alpha": ("alpha",),
            "beta": ("beta",),
        },
        attributes={"nonlinearity": ("act", "tanh")},
    ),
    "GatedAntisymmetricRNN": ClassNames(
        "gated_antisymmetric_rnn",
        {"weight_ih": ("W_z", "W_h"), "weight_hh": ("U",), "bias_ih": ("b_z", "b_h"), "bias_hh": ("b_h",)},
        attributes={"epsilon": ("epsilon", 1.0), "gamma": ("gamma", 0.0)},
    ),
    "IndRNN": ClassNames(
        "indrnn",
        {"weight_ih": ("W",), "vector_u": ("u",), "bias_ih": ("b",), "bias_hh": ("b",)},
        attributes={"nonlinearity": ("act", "tanh")},
    ),
    "IntersectionRNN": ClassNames(
        "intersection_rnn",
        _gates("yin", "hin", "gy", "gh"),
        needs={"depth_act": "relu", "recurrent_act": "tanh", "gate_act": "sigmoid"},
    ),
    "JANET": ClassNames(
        "janet",
        {**_gates("f", "g"), "beta": ("beta",)},
        trained=("beta",),
        states=("h", "h"),
        note="beta is fixed in the paper, and trained by torchrecurrent.",
    ),
    "LEM": ClassNames(
        "lem_explicit",
        {
            "weight_ih": ("V_2", "V_1", "V_z", "V_y"),
            "weight_hh": ("W_2", "W_1", "W_z"),
            "weight_ch": ("W_y",),
            "bias_ih": ("b_2", "b_1", "b_z", "b_y"),
            "bias_hh": ("b_2", "b_1", "b_z"),
            "bias_ch": ("b_y",),
        },
        attributes={"dt": ("dt", 1.0)},
        note="The paper's new z feeds y (equation 3, our lem); torchrecurrent feeds it the old one.",
    ),
    "LightRU": ClassNames(
        "light_ru",
        {"weight_ih": ("W_h", "W_f"), "weight_hh": ("U_f",), "bias_ih": ("b_h", "b_f"), "bias_hh": ("b_f",)},
    ),
    "LiGRU": ClassNames(
        "ligru", _gates("z", "n"), attributes={"nonlinearity": ("act", "relu")}, needs={"gate_act": "sigmoid"}
    ),
    "MCLSTM": ClassNames(
        "memory_controller_lstm",
        _gates("f", "i", "o", "m", "g"),
        needs={"gate_act": "sigmoid", "cell_act": "tanh"},
    ),
    "MGU": ClassNames("mgu", _gates("f", "n"), needs={"act": "tanh", "gate_act": "sigmoid"}),
    "MinimalRNN": ClassNames(
        "minimal_rnn",
        {
            "weight_ih": ("W",),
            "weight_hh": ("U_h",),
            "weight_mm": ("U_z",),
            "bias_ih": ("b",),
            "bias_hh": ("b_u",),
        },
        attributes={"nonlinearity": ("act", "tanh")},
        needs={"gate_act": "sigmoid"},
    ),
    "MiRU1": ClassNames(
        "miru1",
        _gates("r", "n"),
        attributes={"update": ("update_coefficient", 0.5)},
        needs={"act": "tanh", "gate_act": "sigmoid"},
    ),
    "MiRU2": ClassNames(
        "miru2",
        {"weight_ih": ("W",), "weight_hh": ("U",), "bias_ih": ("b",), "bias_hh": ("b",)},
        attributes={"update": ("update_coefficient", 0.5), "reset": ("reset_coefficient", 0.5)},
        needs={"act": "tanh"},
    ),
    "MultiplicativeLSTM": ClassNames(
        "multiplicative_lstm",
        {
            "weight_ih": ("W_m", "W_i", "W_f", "W_g", "W_o"),
            "weight_hh": ("U_m",),
            "weight_mh": ("U_i", "U_f", "U_g", "U_o"),
            "bias_ih": ("b_m", "b_i", "b_f", "b_g", "b_o"),
            "bias_hh": ("d_m",),
            "bias_mh": ("b_i", "b_f", "b_g", "b_o"),
        },
    ),
    "MUT1": ClassNames(
        "mut1",
        {
            "weight_ih": ("W_z", "W_r", "W_x"),
            "weight_hh": ("U_r", "U_n"),
            "bias_ih": ("b_z", "b_r", "b_x"),
            "bias_hh": ("b_r", "b_n"),
        },
    ),
    "MUT2": ClassNames("mut2", _gates("z", "r", "n")),
    "MUT3": ClassNames("mut3", _gates("z", "r", "n")),
    "NAS": ClassNames(
        "nas",
        _gates("0", "1", "2", "3", "4", "5", "6", "7"),
        using={"fourth": "sum"},
        note="Leaf 3 multiplies input and state in the authors' code; torchrecurrent adds them.",
    ),
    "NBR": ClassNames(
        "nbrc",
        {
            "weight_ih": ("W_a", "W_c", "W_h"),
            "weight_hh": ("U_a", "U_c"),
            "bias_ih": ("b_a", "b_c", "b_h"),
            "bias_hh": ("b_a", "b_c"),
        },
    ),
    "OriginalLSTM": ClassNames(
        "lstm_1997",
        _gates("i", "g", "o"),
        using={"squash": "tanh"},
        note="The paper's curves are scaled logistic functions; torchrecurrent's are tanh.",
    ),
    "PeepholeLSTM": ClassNames(
        "peephole_lstm",
        {**_gates("i", "f", "g", "o"), "weight_ph": ("p_i", "p_f", "p_o")},
        needs={"act": "tanh", "gate_act": "sigmoid"},
    ),
    "RAN": ClassNames(
        "ran",
        {
            "weight_ih": ("W_c", "W_i", "W_f"),
            "weight_hh": ("U_i", "U_f"),
            "bias_ih": ("b_i", "b_f"),
            "bias_hh": ("b_i", "b_f"),
        },
    ),
    "ResLSTM": ClassNames(
        "residual_lstm",
        {
            **_gates("i", "f", "g", "o"),
            "weight_ph": ("p_i", "p_f", "p_o"),
            "weight_proj": ("P",),
            "weight_res": ("W_r",),
        },
        needs={"act": "tanh", "gate_act": "sigmoid"},
    ),
    "SCRN": ClassNames(
        "scrn",
        {
            "weight_ih": ("W_s", "W_h"),
            "weight_hh": ("U_h", "U_y"),
            "weight_ch": ("V_h", "V_y"),
            "bias_ih": ("b_s", "b_h"),
            "bias_hh": ("b_h", "b_y"),
            "bias_ch": ("b_h", "b_y"),
            "alpha": ("alpha",),
        },
        trained=("alpha",),
        using={"fed_back": "output", "nonlinearity": "tanh"},
        note="The paper feeds back the hidden layer and fixes alpha; torchrecurrent feeds back the output and "
        "trains alpha.",
    ),
    "SGRN": ClassNames(
        "sgrn", {"weight_ih": ("W",), "weight_hh": ("U",), "bias_ih": ("b",), "bias_hh": ("b_f",)}
    ),
    "SGU": ClassNames(
        "sgu",
        {
            "weight_ih": ("W_x", "W_z"),
            "weight_hh": ("U_m", "U_z"),
            "bias_ih": ("b_x", "b_z"),
            "bias_hh": ("b_m", "b_z"),
        },
        using={"slope": 1 / 6},
        needs={"act": "tanh", "output_act": "softplus", "gate_act": "hard_sigmoid"},
        note="torch's hard sigmoid has slope 1/6, that of Theano and Keras had 0.2.",
    ),
    "STAR": ClassNames(
        "star",
        {"weight_ih": ("W_z", "W_k"), "weight_hh": ("U_k",), "bias_ih": ("b_z", "b_k"), "bias_hh": ("b_k",)},
    ),
    "tauGRU": ClassNames(
        "tau_gru",
        _gates("u", "z", "g", "a"),
        attributes={"delay": ("delay", 1)},
        needs={"act": "tanh", "gate_act": "sigmoid"},
        states=("h",),
        note="torchrecurrent's delay buffer is not a state: it starts at zero in every call.",
    ),
    "TGRU": ClassNames(
        "t_gru", _gates("z", "f", "o", recurrent="V"), needs={"gate_act": "sigmoid", "out_act": "tanh"}
    ),
    "TLSTM": ClassNames(
        "t_lstm", _gates("z", "f", "o", recurrent="V"), needs={"gate_act": "sigmoid", "out_act": "tanh"}
    ),
    "TRNN": ClassNames(
        "t_rnn", {"weight_ih": ("W_z", "W_f"), "bias_ih": ("b_z", "b_f")}, needs={"gate_act": "sigmoid"}
    ),
    "UGRNN": ClassNames("ugrnn", _gates("c", "g")),
    "UnICORNN": ClassNames(
        "unicornn",
        {"weight_ih": ("W",), "weight_hh": ("u",), "weight_ch": ("c",), "bias_ih": ("b",), "bias_hh": ("b",)},
        attributes={"dt": ("dt", 0.1), "alpha": ("alpha", 0.0)},
    ),
    "WMCLSTM": ClassNames(
        "wmc_lstm",
        {**_gates("i", "f", "g", "o"), "weight_mh": ("V_i", "V_f", "V_o"), "bias_mh": ("d_i", "d_f", "d_o")},
        note="torchrecurrent documents other equations than its code has; its code is the paper's.",
    ),
}
