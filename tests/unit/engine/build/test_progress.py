"""Vertices."""

from carrack.engine.build.progress import Silent, Vertex


def test_a_vertex_is_of_its_build() -> None:
    one, two = Vertex.make("b1", "RUN x", stage=0), Vertex.make("b2", "RUN x", stage=0)
    assert one.digest != two.digest
    assert one == Vertex.make("b1", "RUN x", stage=0)


def test_nobody_watches() -> None:
    vertex, silent = Vertex.make("b", "x"), Silent()
    silent.started(vertex)
    silent.log(vertex, 1, b"x")
    silent.moved(vertex, "x", 1, 2)
    silent.warned(vertex, "x")
    silent.ended(vertex)
