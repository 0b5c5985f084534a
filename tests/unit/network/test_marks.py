from carrack.network.marks import mark_of, network_of


def test_a_daemon_knows_its_own_notes_only() -> None:
    mark = mark_of("carrack", "ab12")
    assert network_of(mark, "carrack") == "ab12"
    assert network_of(mark, "other") == ""
    assert network_of("", "carrack") == ""
    assert network_of("carrack carrack ab12 by hand", "carrack") == ""
