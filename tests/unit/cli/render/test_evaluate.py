from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.cli.render.evaluate import Template
from carrack.model.gotemplate.template import TemplateError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{.Foo}}", 'template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"'),
        ("{{.Name.X}}", "can't evaluate field X in type interface {}"),
        ("{{.None.X}}", "nil has no field X"),
        ("{{frob .Name}}", 'template: :1: function "frob" not defined'),
        ("{{if (frob 1)}}{{end}}", 'function "frob" not defined'),
        ("{{index .List 9}}", "index out of range: 9"),
        ("{{index .None 9}}", "untyped nil"),
        ("{{index .Number 9}}", "can't index 3"),
        ("{{slice .Name 2 1}}", "error calling slice"),
        ("{{len .Number}}", "error calling len"),
        ("{{len .None}}", "len of nil"),
        ("{{.Name 1}}", "can't give argument to non-function .Name"),
        ("{{range .Name}}{{end}}", "range can't iterate over web"),
        ("{{$x}}", 'undefined variable "$x"'),
        ("{{$x = 1}}", 'undefined variable "$x"'),
        ("{{lt 1 .Name}}", "error calling lt"),
        ("{{upper}}", "error calling upper"),
    ],
)
def test_failures_name_their_place(text: str, message: str) -> None:
    data = {"Name": "web", "None": None, "List": [1], "Number": 3}
    with pytest.raises(TemplateError) as refusal:
        Template(text).render(data)
    assert message in str(refusal.value)


def test_fields_of_a_kind() -> None:
    with pytest.raises(TemplateError, match=r"can't evaluate field Foo in type \*formatter\.X"):
        Template("{{.Foo}}", "*formatter.X").render({"ID": "1"})


def test_fields_that_the_api_leaves_out() -> None:
    assert Template("{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}").render({"State": {}}) == "none"
    data = {"Binds": None, "Labels": None, "Init": None}
    assert Template("{{.Binds}} {{.Labels}} {{.Init}}").render(data) == "[] map[] <nil>"
    absent = "{{.Variant}},{{.ArgsEscaped}},{{.VirtualSize}},{{.Descriptor}},{{.Manifests}},{{.Services}}"
    assert Template(absent).render({}) == ",false,0,<nil>,[],map[]"
    assert Template('{{if eq .Config.StopSignal ""}}usual{{end}}').render({"Config": {}}) == "usual"


def test_variables_end_with_their_block() -> None:
    text = "{{$x := 1}}{{if true}}{{$x := 2}}{{$x}}{{end}}{{$x}}{{range $x := .}}{{$x}}{{end}}{{$x}}"
    assert Template(text).render([7, 8]) == "21781"


@given(st.text(alphabet="{}.-$|() \"'ab1=:", max_size=24))
def test_any_text_is_rendered_or_refused(text: str) -> None:
    try:
        Template("{{" + text + "}}").render({"a": {"b": "x"}, "b": [1]})
    except TemplateError:
        pass
