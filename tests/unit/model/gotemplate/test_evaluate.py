from __future__ import annotations

import pytest

from carrack.model.gotemplate.evaluate import Template
from carrack.model.gotemplate.template import TemplateError


def test_a_template_of_a_kind_knows_its_fields_only() -> None:
    assert Template("{{.ID}}/{{upper .Name}}", "logger.Info").render({"ID": "1", "Name": "web"}) == "1/WEB"
    with pytest.raises(TemplateError, match=r"can't evaluate field Nope in type logger.Info"):
        Template("{{.Nope}}", "logger.Info").render({"ID": "1"})


def test_functions_are_the_callers_choice() -> None:
    assert Template("{{shout .}}", functions={"shout": lambda text: text + "!"}).render("hey") == "hey!"
    with pytest.raises(TemplateError, match='function "json" not defined'):
        Template("{{json .}}")
