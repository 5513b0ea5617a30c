"""Writes the small models in Fixtures, and the scores that numpy computes for them.

Needs numpy and onnx. Run it only to change a fixture: the files are committed.
"""

import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

FOLDER = pathlib.Path(__file__).parent / "Fixtures"
RANDOM = np.random.default_rng(20)
EXPECTED = {}


def value(name, kind, shape):
    return h.make_tensor_value_info(name, kind, shape)


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def save(name, nodes, inputs, outputs, constants=(), metadata=None, opsets=None, functions=()):
    graph = h.make_graph(nodes, name, inputs, outputs, constants)
    model = h.make_model(
        graph,
        opset_imports=opsets or [h.make_opsetid("", 17), h.make_opsetid("ai.onnx.ml", 3)],
        functions=functions,
        ir_version=9,
        producer_name="martlet-fixtures",
    )
    for key, text in (metadata or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, text
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    return model


def expect(name, inputs, scores):
    """Keeps the inputs, as [rows][width] numbers in the graph's order, and their scores."""
    EXPECTED[name] = {
        "inputs": [np.asarray(array).reshape(len(scores), -1).tolist() for array in inputs],
        "scores": [float(score) for score in np.asarray(scores).reshape(-1)],
    }


def floats(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def linear():
    weight, bias = floats(4, 1), floats(1)
    save(
        "linear",
        [h.make_node("MatMul", ["features", "w"], ["p"]), h.make_node("Add", ["p", "b"], ["score"])],
        [value("features", T.FLOAT, ["rows", 4])],
        [value("score", T.FLOAT, ["rows", 1])],
        [constant("w", weight), constant("b", bias)],
        {"martlet.signature": "age int => features[0..1], rest vector<float, 3> => features[1..4]"},
    )
    rows = floats(7, 4)
    expect("linear", [rows], rows.astype(np.float64) @ weight + bias)


def mlp():
    first, first_bias, second, second_bias = floats(17, 16) / 4, floats(16), floats(16, 1), floats(1)
    save(
        "mlp",
        [
            h.make_node("Concat", ["user_vec", "movie_vec", "popularity"], ["x"], axis=1),
            h.make_node("Gemm", ["x", "w1", "b1"], ["h"]),
            h.make_node("Relu", ["h"], ["r"]),
            h.make_node("Gemm", ["r", "w2", "b2"], ["score"]),
        ],
        [
            value("user_vec", T.FLOAT, ["rows", 8]),
            value("movie_vec", T.FLOAT, ["rows", 8]),
            value("popularity", T.FLOAT, ["rows", 1]),
        ],
        [value("score", T.FLOAT, ["rows", 1])],
        [constant("w1", first), constant("b1", first_bias)]
        + [constant("w2", second), constant("b2", second_bias)],
    )
    user, movie, popularity = floats(9, 8), floats(9, 8), floats(9, 1)
    whole = np.concatenate([user, movie, popularity], axis=1).astype(np.float64)
    expect(
        "mlp",
        [user, movie, popularity],
        np.maximum(whole @ first + first_bias, 0) @ second + second_bias,
    )


def embedding():
    table = floats(10, 3)
    save(
        "embedding",
        [
            h.make_node("Gather", ["table", "ids"], ["rows_of_table"]),
            h.make_node("ReduceSum", ["rows_of_table", "axes"], ["out"], keepdims=0),
        ],
        [value("ids", T.INT64, ["rows"])],
        [value("out", T.FLOAT, ["rows"])],
        [constant("table", table), constant("axes", np.array([1], np.int64))],
    )
    ids = np.array([0, 9, 3, 3, 7])
    expect("embedding", [ids], table[ids].astype(np.float64).sum(axis=1))


def mixed():
    save(
        "mixed",
        [
            h.make_node("Cast", ["count"], ["c"], to=T.DOUBLE),
            h.make_node("Cast", ["flag"], ["f"], to=T.DOUBLE),
            h.make_node("Mul", ["c", "f"], ["cf"]),
            h.make_node("Add", ["cf", "price"], ["score"]),
        ],
        [
            value("count", T.INT32, ["rows", 1]),
            value("flag", T.BOOL, ["rows", 1]),
            value("price", T.DOUBLE, ["rows", 1]),
        ],
        [value("score", T.DOUBLE, ["rows", 1])],
    )
    count, flag, price = np.array([3, -4, 5]), np.array([1, 0, 1]), np.array([0.5, 1.25, -9.0])
    expect("mixed", [count, flag, price], count * flag + price)


def trees():
    # Two stumps: x[0] <= 0.5 ? 1 : 2, and x[1] <= -1 ? 10 : 20.
    node = h.make_node(
        "TreeEnsembleRegressor",
        ["x"],
        ["variable"],
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=[0, 0, 0, 1, 1, 1],
        nodes_nodeids=[0, 1, 2, 0, 1, 2],
        nodes_featureids=[0, 0, 0, 1, 0, 0],
        nodes_values=[0.5, 0.0, 0.0, -1.0, 0.0, 0.0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"] * 2,
        nodes_truenodeids=[1, 0, 0, 1, 0, 0],
        nodes_falsenodeids=[2, 0, 0, 2, 0, 0],
        target_treeids=[0, 0, 1, 1],
        target_nodeids=[1, 2, 1, 2],
        target_ids=[0, 0, 0, 0],
        target_weights=[1.0, 2.0, 10.0, 20.0],
    )
    save("trees", [node], [value("x", T.FLOAT, [None, 2])], [value("variable", T.FLOAT, [None, 1])])
    rows = np.array([[0, 0], [1, 0], [0, -2], [0.5, -1]], np.float32)
    expect("trees", [rows], np.array([21, 22, 11, 11]))


def rectangle():
    """Says [rows, ?] but returns two values per row: found out by a run only."""
    save(
        "two_scores",
        [h.make_node("MatMul", ["x", "w"], ["score"])],
        [value("x", T.FLOAT, ["rows", 3])],
        [value("score", T.FLOAT, ["rows", None])],
        [constant("w", floats(3, 2))],
    )


def batch_dependent():
    """Subtracts the mean of the whole batch: a row's score depends on its neighbours."""
    save(
        "batch_dependent",
        [
            h.make_node("ReduceMean", ["x"], ["m"], axes=[0], keepdims=1),
            h.make_node("Sub", ["x", "m"], ["score"]),
        ],
        [value("x", T.FLOAT, ["rows", 1])],
        [value("score", T.FLOAT, ["rows", 1])],
    )


def reciprocal():
    save(
        "reciprocal",
        [h.make_node("Reciprocal", ["x"], ["score"])],
        [value("x", T.FLOAT, ["rows", 1])],
        [value("score", T.FLOAT, ["rows", 1])],
    )
    save(
        "never_finite",
        [
            h.make_node("Sub", ["x", "x"], ["zero"]),
            h.make_node("Div", ["zero", "zero"], ["score"]),
        ],
        [value("x", T.FLOAT, ["rows", 1])],
        [value("score", T.FLOAT, ["rows", 1])],
    )


def classifier():
    save(
        "classifier",
        [
            h.make_node("Sigmoid", ["x"], ["probabilities"]),
            h.make_node("Cast", ["x"], ["label"], to=T.INT64),
            h.make_node("Neg", ["x"], ["chosen"]),
        ],
        [value("x", T.FLOAT, ["rows", 1])],
        [
            value("label", T.INT64, ["rows", 1]),
            value("probabilities", T.FLOAT, ["rows", 1]),
            value("chosen", T.FLOAT, ["rows", 1]),
        ],
        metadata={"martlet.output": "chosen"},
    )


def endless_loop():
    body = h.make_graph(
        [
            h.make_node("Identity", ["go_in"], ["go_out"]),
            h.make_node("Add", ["sum_in", "one"], ["sum_out"]),
        ],
        "body",
        [
            value("turn", T.INT64, []),
            value("go_in", T.BOOL, []),
            value("sum_in", T.FLOAT, ["rows", 1]),
        ],
        [value("go_out", T.BOOL, []), value("sum_out", T.FLOAT, ["rows", 1])],
    )
    save(
        "endless_loop",
        [h.make_node("Loop", ["turns", "go", "x"], ["score"], body=body)],
        [value("x", T.FLOAT, ["rows", 1])],
        [value("score", T.FLOAT, ["rows", 1])],
        [
            constant("turns", np.array(2**62, np.int64)),
            constant("go", np.array(True)),
            constant("one", np.array([[1]], np.float32)),
        ],
    )


def memory_bomb():
    """Wants 64 GB for one tensor when it runs; its size depends on the input, so that nothing folds."""
    save(
        "memory_bomb",
        [
            h.make_node("Shape", ["x"], ["shape"]),
            h.make_node("Mul", ["shape", "factor"], ["big"]),
            h.make_node("ConstantOfShape", ["big"], ["zeros"]),
            h.make_node("ReduceSum", ["zeros", "axes"], ["sums"], keepdims=1),
            h.make_node("ReduceMax", ["sums"], ["one"], axes=[0], keepdims=1),
            h.make_node("Add", ["x", "one"], ["score"]),
        ],
        [value("x", T.FLOAT, ["rows", 1])],
        [value("score", T.FLOAT, ["rows", 1])],
        [
            constant("factor", np.array([2**17, 2**17], np.int64)),
            constant("axes", np.array([1], np.int64)),
        ],
    )


def refused():
    one_input = [value("x", T.FLOAT, ["rows", 1])]
    one_output = [value("score", T.FLOAT, ["rows", 1])]
    external = constant("w", floats(1, 1))
    external.ClearField("raw_data")
    external.data_location = T.EXTERNAL
    entry = external.external_data.add()
    entry.key, entry.value = "location", "secrets.bin"
    save(
        "external",
        [h.make_node("MatMul", ["x", "w"], ["score"])],
        one_input,
        one_output,
        [external],
    )
    function = h.make_function(
        "own", "Twice", ["a"], ["b"], [h.make_node("Add", ["a", "a"], ["b"])],
        [h.make_opsetid("", 17)],
    )
    opsets = [h.make_opsetid("", 17), h.make_opsetid("own", 1)]
    twice = h.make_node("Twice", ["x"], ["score"], domain="own")
    save("function", [twice], one_input, one_output, opsets=opsets, functions=[function])
    save("unknown_domain", [twice], one_input, one_output, opsets=opsets)
    save(
        "random",
        [
            h.make_node("RandomUniformLike", ["x"], ["r"]),
            h.make_node("Add", ["x", "r"], ["score"]),
        ],
        one_input,
        one_output,
    )
    save(
        "fixed_batch",
        [h.make_node("Neg", ["x"], ["score"])],
        [value("x", T.FLOAT, [1, 1])],
        [value("score", T.FLOAT, [1, 1])],
    )


def main():
    FOLDER.mkdir(exist_ok=True)
    makers = [linear, mlp, embedding, mixed, trees, rectangle, batch_dependent, reciprocal]
    for make in makers + [classifier, endless_loop, memory_bomb, refused]:
        make()
    text = json.dumps(EXPECTED, indent=1, sort_keys=True)
    (FOLDER / "expected.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
