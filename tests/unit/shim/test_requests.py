from carrack.shim.requests import AttachRequest, ExecRequest, LogRequest, StartRequest


def test_what_a_request_must_have_and_what_it_may() -> None:
    assert StartRequest.__required_keys__ == {"container", "directory", "plan", "cgroup"}
    assert ExecRequest.__required_keys__ == {"plan"}
    assert LogRequest.__required_keys__ == {"directory"}
    assert AttachRequest.__required_keys__ == frozenset()
    assert ExecRequest.__optional_keys__ - {"note"} < StartRequest.__optional_keys__
