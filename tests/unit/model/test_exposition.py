"""Prometheus' text."""

from __future__ import annotations

from carrack.model.exposition import Histogram, Page, label_names


def test_a_page() -> None:
    page = Page()
    page.add("a_total", "counter", "What it is", [({}, 2), ({"x": 'say "hi"\\\n', "y": "é"}, 0.5)])
    page.add("nothing", "gauge", "Left out", [])
    assert page.text().splitlines() == [
        "# HELP a_total What it is",
        "# TYPE a_total counter",
        "a_total 2",
        'a_total{x="say \\"hi\\"\\\\\\n",y="é"} 0.5',
    ]
    assert page.text().endswith("\n")


def test_a_histogram_counts_up_to_each_limit() -> None:
    histogram = Histogram()
    for seconds in (0.001, 0.2, 0.2, 60):
        histogram.observe(seconds)
    page = Page()
    page.histogram("h_seconds", "How long", [({"action": "start"}, histogram)])
    lines = page.text().splitlines()
    assert lines[1] == "# TYPE h_seconds histogram"
    assert 'h_seconds_bucket{action="start",le="0.005"} 1' in lines
    assert 'h_seconds_bucket{action="start",le="0.25"} 3' in lines
    assert 'h_seconds_bucket{action="start",le="10"} 3' in lines
    assert lines[-3:] == [
        'h_seconds_bucket{action="start",le="+Inf"} 4',
        'h_seconds_sum{action="start"} 60.401',
        'h_seconds_count{action="start"} 4',
    ]


def test_a_label_s_name_stands_once_and_its_value_has_an_end() -> None:
    assert label_names(["a_b", "a.b", "c", "ü"], "l_") == {"a.b": "l_a_b", "c": "l_c", "ü": "l__"}
    page = Page()
    page.add("m", "gauge", "M", [({"x": "y" * 5000 + '"'}, 1), ({"x": "\ud800"}, 1)])
    assert page.text().splitlines()[2:] == ['m{x="' + "y" * 1024 + '"} 1', 'm{x="?"} 1']
