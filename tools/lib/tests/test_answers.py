"""tools/lib/answers.py and tools/lib/count_tests.py."""

import answers
import count_tests

ANSWER = {"ids": [7, 3], "scores": [0.5, 0.25], "scoring": {}}


def test_equal_answers_do_not_differ():
    assert answers.differences(ANSWER, dict(ANSWER)) == []


def test_order_scores_length_nulls_and_emptiness_differ():
    assert len(answers.differences(ANSWER, {"ids": [3, 7], "scores": [0.25, 0.5]})) == 2
    assert answers.differences(ANSWER, {"ids": [7, 3], "scores": [0.5, 0.25000001]})
    assert answers.differences(ANSWER, {"ids": [7], "scores": [0.5]})
    null = {"ids": [7], "scores": [None]}
    assert answers.differences(null, null)
    empty = {"ids": [], "scores": []}
    assert answers.differences(empty, empty)


def test_the_victim_scored_and_is_not_the_first_node():
    replicas = [{"node": "127.0.0.1:9042", "rows": 300}, {"node": "127.0.0.3:9042", "rows": 150},
                {"node": "127.0.0.4:9042", "rows": 50}]  # fmt: skip
    assert answers.victim({"scoring": {"replicas": replicas}}, 5) == 3
    assert answers.victim({"scoring": {"replicas": replicas[:1]}}, 5) == 5
    assert answers.victim({"scoring": None}, 5) == 5
    assert answers.victim({"scoring": {"replicas": [{"node": "a uuid", "rows": 1}]}}, 3) == 3


def test_results_are_counted_case_by_case(tmp_path):
    file = tmp_path / "r.xml"
    file.write_text('<testsuites><testsuite tests="9"><testcase name="a"/><testcase name="b"><failure/>'
                    '</testcase><testcase name="c"><skipped/></testcase></testsuite></testsuites>')  # fmt: skip
    assert count_tests.count(file) == (1, 2)


def test_no_test_is_a_failure_and_no_file_an_error(tmp_path):
    file = tmp_path / "r.xml"
    file.write_text("<testsuites/>")
    assert count_tests.count(file) == (0, 1)
    assert count_tests.main([str(tmp_path / "none.xml")]) == 1
