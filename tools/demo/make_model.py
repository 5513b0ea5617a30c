#!/usr/bin/env python3
"""Makes the demo's features, embeddings and ranker from MovieLens, and measures them.

Each user's last 5 ratings (by time, ties by movie id) are held out; all else is made from the
earlier ones. Tags are not used. A movie without training ratings has an embedding predicted from its
genres, the mean of all training ratings as its mean rating, and the event time 820454400000
(1996-01-01T00:00:00Z, before the first rating). `popularity` = ln(1 + training ratings of the
movie) / ln(1 + those of the most rated one). `updated_at` = the last training rating, in milliseconds.

Writes movies.csv, users.csv, ranker.onnx, holdout.json and metrics.json. The MovieLens terms
(data/README.txt) bind all of them.
"""

from __future__ import annotations

import os

# One thread and no telemetry, before numpy and ONNX load: sums in one order, equal files each run.
os.environ.update(
    OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", ORT_DISABLE_TELEMETRY="1"
)

import argparse
import csv
import json
import sys
import time
from pathlib import Path

import numpy as np

import dataset as data
import metrics
import onnx_export
import ranker

HERE = Path(__file__).resolve().parent
SEED = 20180926
CANDIDATES = 500
OUTPUTS = ("movies.csv", "users.csv", "ranker.onnx", "holdout.json", "metrics.json")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=HERE / "data", help="MovieLens folder")
    parser.add_argument("--out", type=Path, default=HERE / "out", help="folder to write")
    parser.add_argument("--force", action="store_true", help="make everything anew")
    options = parser.parse_args()
    if not options.force and is_current(options.data, options.out):
        print(f"{options.out} is newer than its inputs; --force makes it anew")
        print(table(json.loads((options.out / "metrics.json").read_text())))
        return 0
    began = time.monotonic()
    try:
        report = make(options.data, options.out)
    except (OSError, ValueError) as error:
        print(f"make_model.py: {error}", file=sys.stderr)
        return 1
    print(table(report))
    print(f"wrote {', '.join(OUTPUTS)} to {options.out} in {time.monotonic() - began:.1f} s")
    return 0


def is_current(source: Path, out: Path) -> bool:
    """True if every output exists and is newer than the data and these scripts."""
    outputs = [out / name for name in OUTPUTS]
    if not all(path.exists() for path in outputs):
        return False
    scripts = ("dataset", "factors", "make_model", "metrics", "onnx_export", "ranker")
    inputs = [source / "movies.csv", source / "ratings.csv", HERE / "requirements.txt"]
    inputs += [HERE / f"{name}.py" for name in scripts]
    oldest_output = min(path.stat().st_mtime_ns for path in outputs)
    return all(path.stat().st_mtime_ns < oldest_output for path in inputs)


def make(source: Path, out: Path) -> dict:
    """Makes and writes everything; returns the report that metrics.json holds."""
    movielens = data.load(source)
    train, holdout = data.split_last(movielens.ratings, data.HELD_OUT_PER_USER)
    fitted = ranker.fit(train, movielens, SEED)
    candidates = data.popular_unseen(train, movielens, CANDIDATES)
    report = measure(movielens, train, holdout, fitted, candidates)

    out.mkdir(parents=True, exist_ok=True)
    write_movies(out / "movies.csv", movielens, fitted)
    write_users(out / "users.csv", movielens, train, fitted)
    onnx_export.save(fitted.weights, out / "ranker.onnx")
    write_json(out / "holdout.json", holdout_document(movielens, holdout, candidates))
    write_json(out / "metrics.json", report)
    return report


def measure(
    movielens: data.Dataset,
    train: data.Ratings,
    holdout: data.Ratings,
    fitted: ranker.Fitted,
    candidates: list[np.ndarray],
) -> dict:
    """NDCG@10 and recall@50 of three rankings, over all unseen movies and over the candidates."""
    seen = data.seen_mask(train, movielens)
    relevant = held_out_by_user(movielens, holdout)
    values: dict[tuple[str, str, str], list[float]] = {}
    for user in range(movielens.user_count):
        if not relevant[user]:
            continue
        rankings = {
            "popularity": fitted.movies.rating_count.astype(np.float64),
            "collaborative (dot product)": fitted.movie_vectors @ fitted.user_vectors[user],
            "ranker": ranker.scores(
                fitted.weights,
                fitted.user_vectors[user],
                fitted.movie_vectors,
                movielens.genres,
                fitted.movies.popularity,
            ),
        }
        not_candidate = np.ones(movielens.movie_count, dtype=bool)
        not_candidate[candidates[user]] = False
        for name, scores in rankings.items():
            for pool, excluded in (("all", seen[user]), ("candidates", not_candidate)):
                ranked = metrics.top(scores, excluded, 50).tolist()
                values.setdefault((pool, name, "ndcg_at_10"), []).append(
                    metrics.ndcg(ranked, relevant[user], 10)
                )
                values.setdefault((pool, name, "recall_at_50"), []).append(
                    metrics.recall(ranked, set(relevant[user]), 50)
                )
    report: dict = {
        "held_out_per_user": data.HELD_OUT_PER_USER,
        "training_ratings": len(train),
        "held_out_ratings": len(holdout),
        "seed": SEED,
        "pools": {"all": {}, "candidates": {}},
    }
    for (pool, name, metric), sample in values.items():
        interval = metrics.bootstrap(sample, SEED)
        report["pools"][pool].setdefault(name, {})[metric] = {
            "mean": round(interval.mean, 6),
            "low": round(interval.low, 6),
            "high": round(interval.high, 6),
            "users": interval.users,
        }
    return report


def table(report: dict) -> str:
    """The report as text."""
    titles = {
        "all": "ranking all movies that the user has not rated in training",
        "candidates": f"ranking the {CANDIDATES} most popular of those (what the quickstart asks)",
    }
    lines = []
    for pool, rows in report["pools"].items():
        lines.append(f"Held-out ratings, {titles[pool]}; mean [bootstrap 95 % interval]")
        lines.append(f"  {'':28} {'NDCG@10':24} {'recall@50':24} n")
        for name, row in rows.items():
            cells = [
                f"{cell['mean']:.4f} [{cell['low']:.4f}, {cell['high']:.4f}]"
                for cell in (row["ndcg_at_10"], row["recall_at_50"])
            ]
            users = row["ndcg_at_10"]["users"]
            lines.append(f"  {name:28} {cells[0]:24} {cells[1]:24} {users}")
    return "\n".join(lines)


def held_out_by_user(
    movielens: data.Dataset, holdout: data.Ratings
) -> list[dict[int, float]]:
    """Per user row, the held-out movie rows with their ratings, oldest first."""
    by_user: list[dict[int, float]] = [{} for _ in range(movielens.user_count)]
    for user, movie, value in zip(holdout.user, holdout.movie, holdout.value):
        by_user[user][int(movie)] = float(value)
    return by_user


def holdout_document(
    movielens: data.Dataset, holdout: data.Ratings, candidates: list[np.ndarray]
) -> dict:
    """What holdout.json holds, by user id: held-out ratings, the liked ones, the candidates."""
    users = {}
    for user, rated in enumerate(held_out_by_user(movielens, holdout)):
        held = [
            {"movie_id": int(movielens.movie_ids[movie]), "rating": rating,
             "title": movielens.titles[movie]}
            for movie, rating in rated.items()
        ]  # fmt: skip
        users[str(movielens.user_ids[user])] = {
            "held_out": held,
            "liked": [row["movie_id"] for row in held if row["rating"] >= data.LIKED_FROM],
            "candidates": movielens.movie_ids[candidates[user]].tolist(),
        }
    return {"liked_from": data.LIKED_FROM, "users": users}


def write_movies(path: Path, movielens: data.Dataset, fitted: ranker.Fitted) -> None:
    header = "movie_id title genres popularity mean_rating rating_count embedding updated_at"
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split())
        for row in range(movielens.movie_count):
            writer.writerow([
                int(movielens.movie_ids[row]),
                movielens.titles[row],
                vector_text(movielens.genres[row]),
                float_text(fitted.movies.popularity[row]),
                float_text(fitted.movies.mean_rating[row]),
                int(fitted.movies.rating_count[row]),
                vector_text(fitted.movie_vectors[row]),
                int(fitted.movies.updated_at_ms[row]),
            ])  # fmt: skip


def write_users(
    path: Path, movielens: data.Dataset, train: data.Ratings, fitted: ranker.Fitted
) -> None:
    features = data.user_features(train, movielens.user_count)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow("user_id embedding mean_rating rating_count updated_at".split())
        for row in range(movielens.user_count):
            writer.writerow([
                int(movielens.user_ids[row]),
                vector_text(fitted.user_vectors[row]),
                float_text(features.mean_rating[row]),
                int(features.rating_count[row]),
                int(features.updated_at_ms[row]),
            ])  # fmt: skip


def float_text(value: float) -> str:
    """The shortest decimal that reads back as the same 32-bit float."""
    return np.format_float_positional(np.float32(value), unique=True, trim="0")


def vector_text(vector: np.ndarray) -> str:
    """A vector as a JSON array of 32-bit floats."""
    return "[" + ", ".join(float_text(value) for value in vector) + "]"


def write_json(path: Path, document: dict) -> None:
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
