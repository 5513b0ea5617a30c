"""Writes the ranker as an ONNX graph that computes every feature from its four inputs.

Batch first: each input is [batch, width], the output [batch, 1], every row independent of the others.
Plain float32 operators of opset 17, ir_version 8: no functions, no external data.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import factors
from dataset import GENRES
from ranker import Weights

OPSET = 17
IR_VERSION = 8

# What Martlet reads to make a function of the model: names, types and defaults of its arguments.
SIGNATURE = (
    f"user_vec vector<float, {factors.WIDTH}>, movie_vec vector<float, {factors.WIDTH}>, "
    f"genres vector<float, {len(GENRES)}>, popularity float DEFAULT 0.0"
)


def build(weights: Weights) -> onnx.ModelProto:
    """Builds and checks the graph."""
    constants = {
        "genre_map": weights.genre_map,
        "scale": weights.scale,
        "hidden_weights": weights.hidden,
        "hidden_bias": weights.hidden_bias,
        "output_weights": weights.output[:, None],
        "direct_weights": weights.direct[:, None],
        "output_bias": np.array([weights.bias]),
        "last_axis": np.array([1]),
    }
    nodes = [
        helper.make_node("Mul", ["user_vec", "movie_vec"], ["product"]),
        helper.make_node("MatMul", ["user_vec", "genre_map"], ["leaning"]),
        helper.make_node("Mul", ["leaning", "genres"], ["taste"]),
        helper.make_node("ReduceSum", ["product", "last_axis"], ["dot"], keepdims=1),
        helper.make_node("ReduceSum", ["taste", "last_axis"], ["affinity"], keepdims=1),
        helper.make_node(
            "Concat",
            ["product", "taste", "genres", "dot", "affinity", "popularity"],
            ["raw_features"],
            axis=1,
        ),
        helper.make_node("Mul", ["raw_features", "scale"], ["features"]),
        helper.make_node("MatMul", ["features", "hidden_weights"], ["hidden_sums"]),
        helper.make_node("Add", ["hidden_sums", "hidden_bias"], ["hidden_biased"]),
        helper.make_node("Relu", ["hidden_biased"], ["hidden"]),
        helper.make_node("MatMul", ["hidden", "output_weights"], ["learned"]),
        helper.make_node("MatMul", ["features", "direct_weights"], ["linear"]),
        helper.make_node("Add", ["learned", "linear"], ["sum"]),
        helper.make_node("Add", ["sum", "output_bias"], ["score"]),
    ]
    widths = {
        "user_vec": factors.WIDTH,
        "movie_vec": factors.WIDTH,
        "genres": len(GENRES),
        "popularity": 1,
    }
    graph = helper.make_graph(
        nodes,
        "ranker",
        [_rows(name, width) for name, width in widths.items()],
        [_rows("score", 1)],
        [
            numpy_helper.from_array(
                value if name == "last_axis" else value.astype(np.float32), name
            )
            for name, value in constants.items()
        ],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="martlet-demo",
    )
    helper.set_model_props(model, {"martlet.signature": SIGNATURE})
    onnx.checker.check_model(model, full_check=True)
    return model


def save(weights: Weights, path: Path) -> None:
    """Writes the model; equal weights give equal bytes."""
    path.write_bytes(build(weights).SerializeToString(deterministic=True))


def _rows(name: str, width: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])
