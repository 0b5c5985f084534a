from carrack.network.stance import USUAL, Stance


def test_what_is_usual_is_dockers_default() -> None:
    assert Stance() == USUAL == Stance(True, True, True, False, None)
