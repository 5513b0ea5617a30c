"""Tests of the demo's data, metrics, model and comparison; none needs a server."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", ORT_DISABLE_TELEMETRY="1")
DEMO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(DEMO))

import numpy as np
import onnx
import pytest

import cluster
import dataset as data
import factors
import make_model
import metrics
import onnx_export
import ranker
import score
import show


def ratings(*rows: tuple[int, int, float, int]) -> data.Ratings:
    columns = list(zip(*rows))
    return data.Ratings(*(np.array(column) for column in columns))


@pytest.fixture(scope="session")
def movielens() -> data.Dataset:
    return data.load(DEMO / "data")


@pytest.fixture(scope="session")
def tiny() -> data.Dataset:
    """30 users with 24 ratings each over 60 movies, 50 of them ever rated."""
    generator = np.random.default_rng(3)
    rows = []
    for user in range(30):
        for moment, movie in enumerate(generator.choice(50, size=24, replace=False)):
            rows.append((user, int(movie), float(generator.integers(1, 11)) / 2, 1000 + moment))
    genres = np.zeros((60, 20), dtype=np.float32)
    genres[np.arange(60), generator.integers(0, 20, 60)] = 1.0
    return data.Dataset(
        movie_ids=np.arange(60) * 2 + 1,
        titles=[f'Movie "{row}", The' for row in range(60)],
        genres=genres,
        user_ids=np.arange(30) + 1,
        ratings=ratings(*rows),
    )


@pytest.fixture(scope="session")
def tiny_split(tiny: data.Dataset) -> tuple[data.Ratings, data.Ratings]:
    return data.split_last(tiny.ratings, data.HELD_OUT_PER_USER)


@pytest.fixture(scope="session")
def tiny_fit(tiny: data.Dataset, tiny_split: tuple) -> ranker.Fitted:
    return ranker.fit(tiny_split[0], tiny, seed=1)


def session_of(weights: ranker.Weights):
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    content = onnx_export.build(weights).SerializeToString()
    return onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])


def inputs_for(fitted: ranker.Fitted, genres: np.ndarray, user: int) -> dict[str, np.ndarray]:
    count = len(genres)
    return {
        "user_vec": np.tile(fitted.user_vectors[user], (count, 1)).astype(np.float32),
        "movie_vec": fitted.movie_vectors.astype(np.float32),
        "genres": genres.astype(np.float32),
        "popularity": fitted.movies.popularity[:, None].astype(np.float32),
    }


# Holdout and leakage


def test_the_last_ratings_are_held_out_with_ties_by_movie():
    everything = ratings(
        (0, 7, 3.0, 50), (0, 2, 4.0, 10), (0, 9, 5.0, 50), (0, 8, 1.0, 50), (1, 1, 2.0, 5),
        (1, 0, 2.5, 99), (1, 3, 2.5, 1),
    )  # fmt: skip
    train, last = data.split_last(everything, 2)
    assert list(zip(train.user, train.movie)) == [(0, 2), (0, 7), (1, 3)]
    assert list(zip(last.user, last.movie)) == [(0, 8), (0, 9), (1, 1), (1, 0)]
    assert data.ages(train).tolist() == [1, 0, 0]


def test_every_user_of_the_real_data_loses_exactly_the_latest_five(movielens: data.Dataset):
    train, holdout = data.split_last(movielens.ratings, 5)
    assert len(train) + len(holdout) == len(movielens.ratings) == 100_836
    assert np.bincount(holdout.user).tolist() == [5] * 610
    newest_train = np.zeros(610)
    np.maximum.at(newest_train, train.user, train.seconds)
    oldest_held = np.full(610, np.inf)
    np.minimum.at(oldest_held, holdout.user, holdout.seconds)
    assert (newest_train <= oldest_held).all()
    pairs = set(zip(train.user.tolist(), train.movie.tolist()))
    assert pairs.isdisjoint(zip(holdout.user.tolist(), holdout.movie.tolist()))


def test_nothing_made_depends_on_the_held_out_ratings(tiny, tiny_split, tiny_fit, tmp_path):
    """Whatever the held-out ratings were, features, vectors, ranker and candidates are the same."""
    train, holdout = tiny_split
    generator = np.random.default_rng(8)
    changed = data.Ratings(
        np.concatenate([train.user, holdout.user]),
        np.concatenate([train.movie, generator.integers(50, 60, len(holdout))]),
        np.concatenate([train.value, 5.5 - holdout.value]),
        np.concatenate([train.seconds, holdout.seconds]),
    )
    again, changed_holdout = data.split_last(changed, data.HELD_OUT_PER_USER)
    assert set(changed_holdout.movie.tolist()) != set(holdout.movie.tolist())
    other = data.Dataset(tiny.movie_ids, tiny.titles, tiny.genres, tiny.user_ids, changed)
    fitted = ranker.fit(again, other, seed=1)
    for name, split, result in (("a", train, tiny_fit), ("b", again, fitted)):
        folder = tmp_path / name
        folder.mkdir()
        make_model.write_movies(folder / "movies.csv", tiny, result)
        make_model.write_users(folder / "users.csv", tiny, split, result)
        onnx_export.save(result.weights, folder / "ranker.onnx")
    for file in ("movies.csv", "users.csv", "ranker.onnx"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes(), file
    before = data.popular_unseen(train, tiny, 20)
    after = data.popular_unseen(again, other, 20)
    assert all((one == two).all() for one, two in zip(before, after))


def test_a_training_rating_does_change_the_result(tiny, tiny_split, tiny_fit):
    """The counterpart of the leakage test: it would notice."""
    train, _ = tiny_split
    fewer = train.where(np.arange(len(train)) != 18)
    fitted = ranker.fit(fewer, tiny, seed=1)
    assert not np.array_equal(fitted.user_vectors, tiny_fit.user_vectors)


def test_candidates_are_the_popular_movies_that_training_has_not_seen(movielens):
    train, _ = data.split_last(movielens.ratings, 5)
    counts = np.bincount(train.movie, minlength=movielens.movie_count)
    seen = data.seen_mask(train, movielens)
    candidates = data.popular_unseen(train, movielens, 500)
    for user in (0, 413, 609):
        picked = candidates[user]
        assert len(set(picked.tolist())) == 500
        assert not seen[user, picked].any()
        left_out = ~seen[user]
        left_out[picked] = False
        assert counts[picked].min() >= counts[left_out].max()


# Features


def test_features_of_movies_by_hand():
    features = data.movie_features(ratings((0, 0, 4.0, 7), (1, 0, 2.0, 9), (1, 1, 5.0, 3)), 3)
    assert features.rating_count.tolist() == [2, 1, 0]
    assert features.mean_rating == pytest.approx([3.0, 5.0, 11 / 3])
    assert features.popularity == pytest.approx([1.0, np.log(2) / np.log(3), 0.0])
    assert features.updated_at_ms.tolist() == [9000, 3000, data.UNRATED_UPDATED_AT_MS]


def test_genres_are_twenty_flags_and_an_unknown_one_is_refused():
    assert len(data.GENRES) == 20
    vector = data.genre_vector("Comedy|IMAX")
    assert [data.GENRES[row] for row in np.flatnonzero(vector)] == ["Comedy", "IMAX"]
    with pytest.raises(ValueError, match="unknown genre 'Cooking'"):
        data.genre_vector("Cooking")


def test_factorisation_ranks_a_group_s_own_movies_first():
    """Two groups of users with disjoint tastes; one rating of each user is missing."""
    rows = [
        (user, movie, 5.0, movie)
        for user in range(12)
        for movie in range(8)
        if (user % 2 == movie % 2) and movie != user % 8
    ]
    train = ratings(*sorted(rows))
    movies = factors.factorise(train, 12, 8, seed=1)
    users = factors.fold_in_users(train, movies, 12)
    guess = users @ movies.T
    for user in range(12):
        other_group = [movie for movie in range(8) if movie % 2 != user % 2]
        assert guess[user, user % 8] > guess[user, other_group].max()


def test_unrated_movies_get_an_embedding_from_their_genres(tiny, tiny_fit):
    unrated = tiny_fit.movies.rating_count == 0
    assert unrated.sum() >= 10
    assert np.isfinite(tiny_fit.movie_vectors).all()
    assert (np.abs(tiny_fit.movie_vectors[unrated]).sum(axis=1) > 0).all()


# Metrics


def test_ndcg_by_hand():
    gains = {4: 2.0**5 - 1, 7: 2.0**3 - 1}
    best = gains[4] + gains[7] / np.log2(3)
    assert metrics.ndcg([4, 7, 1], {4: 5.0, 7: 3.0}, 10) == pytest.approx(1.0)
    swapped = (gains[7] + gains[4] / np.log2(3)) / best
    assert metrics.ndcg([7, 4, 1], {4: 5.0, 7: 3.0}, 10) == pytest.approx(swapped)
    third = (gains[4] / np.log2(4)) / best
    assert metrics.ndcg([1, 2, 4, 7], {4: 5.0, 7: 3.0}, 3) == pytest.approx(third)
    assert metrics.ndcg([1, 2], {4: 5.0}, 10) == 0.0
    assert metrics.ndcg([1, 2], {}, 10) == 0.0


def test_recall_by_hand():
    assert metrics.recall([1, 2, 3, 4], {2, 4, 9}, 3) == pytest.approx(1 / 3)
    assert metrics.recall([1, 2, 3, 4], {2, 4, 9}, 4) == pytest.approx(2 / 3)
    assert metrics.recall([1], set(), 5) == 0.0


def test_the_bootstrap_is_repeatable_and_covers_the_mean():
    sample = np.random.default_rng(1).random(200)
    one, two = metrics.bootstrap(sample, 5), metrics.bootstrap(sample, 5)
    assert one == two
    assert one.mean == pytest.approx(sample.mean())
    assert one.low < one.mean < one.high
    error = sample.std() / np.sqrt(200)
    assert one.high - one.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert metrics.bootstrap([0.25] * 7, 1) == metrics.Interval(0.25, 0.25, 0.25, 7)
    with pytest.raises(ValueError):
        metrics.bootstrap([], 1)


def test_top_leaves_out_what_is_excluded_and_breaks_ties_by_row():
    excluded = np.array([False, True, False, False])
    assert metrics.top(np.array([1.0, 9.0, 2.0, 2.0]), excluded, 2).tolist() == [2, 3]


# The model


def test_gradients_agree_with_finite_differences():
    generator = np.random.default_rng(2)
    x = generator.normal(size=(3, 5, 7))
    known = np.zeros((3, 4), dtype=bool)
    known[1, 2] = True
    parameters = [generator.normal(size=shape) for shape in ((7, 6), (6,), (6,), (7,))]

    def loss() -> float:
        hidden, bias, output, direct = parameters
        scored = np.maximum(x @ hidden + bias, 0) @ output + x @ direct
        return float(np.where(known, 0, np.log1p(np.exp(scored[:, 1:] - scored[:, :1]))).mean())

    for parameter, gradient in zip(parameters, ranker._pairwise_gradients(parameters, x, known)):
        for index in np.ndindex(parameter.shape):
            kept = parameter[index]
            parameter[index] = kept + 1e-6
            above = loss()
            parameter[index] = kept - 1e-6
            below = loss()
            parameter[index] = kept
            assert gradient[index] == pytest.approx((above - below) / 2e-6, abs=1e-6)


def test_the_graph_has_the_agreed_face(tiny_fit):
    model = onnx_export.build(tiny_fit.weights)
    assert model.ir_version <= 9
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    assert not model.functions
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties["martlet.signature"] == (
        "user_vec vector<float, 64>, movie_vec vector<float, 64>, genres vector<float, 20>, "
        "popularity float DEFAULT 0.0"
    )
    shapes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "user_vec": ["batch", 64],
        "movie_vec": ["batch", 64],
        "genres": ["batch", 20],
        "popularity": ["batch", 1],
        "score": ["batch", 1],
    }
    types = {value.type.tensor_type.elem_type for value in model.graph.input}
    assert types == {onnx.TensorProto.FLOAT}


def test_the_graph_scores_as_numpy_does(tiny, tiny_fit):
    session = session_of(tiny_fit.weights)
    for user in (0, 17):
        here = ranker.scores(
            tiny_fit.weights, tiny_fit.user_vectors[user], tiny_fit.movie_vectors, tiny.genres,
            tiny_fit.movies.popularity,
        )  # fmt: skip
        there = session.run(["score"], inputs_for(tiny_fit, tiny.genres, user))[0][:, 0]
        np.testing.assert_allclose(there, here, atol=1e-5)


def test_a_row_scores_the_same_alone_and_in_a_batch(tiny, tiny_fit):
    session = session_of(tiny_fit.weights)
    batch = inputs_for(tiny_fit, tiny.genres, 4)
    together = session.run(["score"], batch)[0]
    assert together.shape == (60, 1)
    for row in range(60):
        alone = session.run(["score"], {key: value[row : row + 1] for key, value in batch.items()})
        assert abs(alone[0][0, 0] - together[row, 0]) <= 1e-6
    assert session.run(["score"], {key: value[:0] for key, value in batch.items()})[0].shape == (0, 1)


# The files


def test_a_whole_run_writes_files_of_the_right_shape_twice_the_same(tiny, tmp_path, monkeypatch):
    source = tmp_path / "data"
    source.mkdir()
    with open(source / "movies.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["movieId", "title", "genres"])
        for row in range(60):
            names = "|".join(data.GENRES[genre] for genre in np.flatnonzero(tiny.genres[row]))
            writer.writerow([tiny.movie_ids[row], tiny.titles[row], names])
    with open(source / "ratings.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["userId", "movieId", "rating", "timestamp"])
        for user, movie, value, seconds in zip(*vars(tiny.ratings).values()):
            writer.writerow([tiny.user_ids[user], tiny.movie_ids[movie], value, seconds])
    outs = [tmp_path / "one", tmp_path / "two"]
    for out in outs:
        make_model.make(source, out)
    for name in make_model.OUTPUTS:
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes(), name

    with open(outs[0] / "movies.csv", newline="", encoding="utf-8") as file:
        movies = list(csv.DictReader(file))
    assert list(movies[0]) == [
        "movie_id", "title", "genres", "popularity", "mean_rating", "rating_count", "embedding",
        "updated_at",
    ]  # fmt: skip
    assert [int(row["movie_id"]) for row in movies] == tiny.movie_ids.tolist()
    assert movies[3]["title"] == 'Movie "3", The'
    assert {len(json.loads(row["genres"])) for row in movies} == {20}
    assert {len(json.loads(row["embedding"])) for row in movies} == {64}
    assert all(0.0 <= float(row["popularity"]) <= 1.0 for row in movies)
    assert int(movies[59]["updated_at"]) == data.UNRATED_UPDATED_AT_MS

    with open(outs[0] / "users.csv", newline="", encoding="utf-8") as file:
        users = list(csv.DictReader(file))
    assert list(users[0]) == ["user_id", "embedding", "mean_rating", "rating_count", "updated_at"]
    assert len(users) == 30
    assert {len(json.loads(row["embedding"])) for row in users} == {64}
    assert {row["rating_count"] for row in users} == {"19"}
    assert {row["updated_at"] for row in users} == {"1018000"}

    held = json.loads((outs[0] / "holdout.json").read_text())["users"]
    assert sorted(held, key=int) == [str(user) for user in range(1, 31)]
    for entry in held.values():
        assert len(entry["held_out"]) == 5
        liked = [row["movie_id"] for row in entry["held_out"] if row["rating"] >= 4]
        assert entry["liked"] == liked

    monkeypatch.setattr(make_model, "HERE", tmp_path)
    for name in ("dataset", "factors", "make_model", "metrics", "onnx_export", "ranker"):
        shutil.copy(DEMO / f"{name}.py", tmp_path)
    shutil.copy(DEMO / "requirements.txt", tmp_path)
    for path in [*tmp_path.glob("*.*"), *source.iterdir()]:
        os.utime(path, (1_000_000_000, 1_000_000_000))
    assert make_model.is_current(source, outs[0])
    os.utime(source / "ratings.csv")
    os.utime(outs[0] / "users.csv", (1_000_000_001, 1_000_000_001))
    assert not make_model.is_current(source, outs[0])
    (outs[1] / "ranker.onnx").unlink()
    assert not make_model.is_current(source, outs[1])


def test_float_text_reads_back_as_the_same_float():
    for value in np.random.default_rng(4).normal(size=200).astype(np.float32):
        assert np.float32(make_model.float_text(value)) == value
    assert make_model.vector_text(np.array([0.1, 1.0])) == "[0.1, 1.0]"


# The scripts that talk to the ring


def test_the_comparison_passes_its_self_test(capsys):
    assert score.self_test() == 0
    assert "FAILED" not in capsys.readouterr().out


@pytest.mark.parametrize("name, returned, agrees", score.SELF_TEST_CASES)
def test_the_comparison(name, returned, agrees):
    assert (score.compare(returned, score.SELF_TEST_SCORES, 3) == []) is agrees, name


def test_rows_are_scored_with_the_ring_s_null_rules(tiny, tiny_fit):
    session = session_of(tiny_fit.weights)
    user = tiny_fit.user_vectors[0].tolist()

    def row(movie_id, embedding=True, genres=True, popularity=0.5):
        return SimpleNamespace(
            movie_id=movie_id,
            embedding=tiny_fit.movie_vectors[0].tolist() if embedding else None,
            genres=tiny.genres[0].tolist() if genres else None,
            popularity=popularity,
        )

    rows = [row(1), row(2, popularity=None), row(3, popularity=0.0), row(4, embedding=False),
            row(5, genres=False)]  # fmt: skip
    scores = score.score_rows(session, user, rows)
    assert scores[2] == scores[3] is not None
    assert scores[1] != scores[2]
    assert scores[4] is None and scores[5] is None
    assert set(score.score_rows(session, None, rows).values()) == {None}


def test_check_user_accepts_a_right_answer_and_refuses_a_wrong_one(tiny, tiny_fit, capsys):
    session = session_of(tiny_fit.weights)
    rows = [
        SimpleNamespace(
            movie_id=movie, embedding=tiny_fit.movie_vectors[movie].tolist(),
            genres=tiny.genres[movie].tolist(), popularity=float(tiny_fit.movies.popularity[movie]),
        )
        for movie in range(20)
    ]  # fmt: skip
    user = tiny_fit.user_vectors[0].tolist()
    right = score.score_rows(session, user, rows)
    best = sorted(right, key=lambda movie: -right[movie])[:5]

    def ring(answer):
        return SimpleNamespace(
            top=lambda *_: cluster.Scored([(m, f"Movie {m}", s) for m, s in answer], 1.0, None),
            user_vector=lambda _: user,
            movies=lambda _: rows,
        )

    good = [(movie, right[movie]) for movie in best]
    assert score.check_user(ring(good), session, 1, list(range(20)), 5)
    assert "WRONG" not in capsys.readouterr().out
    assert not score.check_user(ring(good[1:] + good[:1]), session, 1, list(range(20)), 5)
    assert "WRONG: place 1" in capsys.readouterr().out


REPORT = {
    "model": "ranker",
    "version": 1,
    "replicas": [
        {"node": "127.0.0.2", "rows": 120, "batch": 120, "returned_rows": 10, "bytes": 480}
    ],
    "warnings": ["2 rows had a null score"],
}


def test_show_prints_both_lists_the_replicas_and_the_warnings():
    payload = {cluster.PAYLOAD_KEY: json.dumps(REPORT).encode()}
    scored = cluster.Scored(
        [(7, "Seven", 1.5), (8, "Eight", None)], 3.21, cluster.decode_payload(payload), ["slow"]
    )
    entry = {
        "liked": [7],
        "candidates": [7, 8],
        "held_out": [
            {"movie_id": 7, "rating": 4.5, "title": "Seven"},
            {"movie_id": 9, "rating": 2.0, "title": "Nine"},
        ],
    }
    options = SimpleNamespace(user=3, limit=10, consistency="QUORUM")
    text = show.as_text(scored, entry, options)
    assert "*   1.50000 Seven" in text and "4.5 Seven" in text and "Nine" not in text
    assert "null Eight" in text and "QUORUM, in 3.2 ms" in text
    assert "127.0.0.2" in text and "480" in text
    assert "warning: slow" in text and "warning: 2 rows had a null score" in text
    document = json.loads(show.as_json(scored))
    assert document["ids"] == [7, 8] and document["scores"] == [1.5, None]
    assert document["scoring"] == REPORT


def test_a_payload_may_be_absent_but_not_broken():
    assert cluster.decode_payload(None) is None
    assert cluster.decode_payload({"other": b"{}"}) is None
    assert "no custom payload" in show.replica_lines(None)[0]
    for broken in (b"\xff", b"{", b"[]"):
        with pytest.raises(ValueError, match=cluster.PAYLOAD_KEY):
            cluster.decode_payload({cluster.PAYLOAD_KEY: broken})


def test_json_scores_keep_every_bit():
    value = float(np.float32(0.1))
    scored = cluster.Scored([(1, "One", value)], 1.0, None)
    assert repr(value) in show.as_json(scored)


def test_the_statement_is_the_one_of_the_quickstart():
    assert cluster.scoring_statement("ml", 10) == (
        "SELECT movie_id, title, ranker(user_vec => (SELECT embedding FROM ml.users WHERE "
        "user_id = ?), movie_vec => embedding, genres => genres, popularity => popularity) AS score "
        "FROM ml.movies WHERE movie_id IN ? ORDER BY score DESC LIMIT 10"
    )
