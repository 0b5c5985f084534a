from __future__ import annotations

import pytest

from carrack.model.gotemplate.evaluate import Template
from carrack.model.gotemplate.template import TemplateError, parse

DATA = {
    "Name": "web",
    "Id": "0123456789abcdef",
    "State": {"Status": "running", "Running": True, "Pid": 42},
    "Env": ["A=1", "B=2"],
    "Labels": {"com.x/y": "z", "a": "b"},
    "Ports": {"80/tcp": [{"HostPort": "8080"}]},
    "None": None,
    "Half": 0.5,
    "Whole": 3.0,
    "Label": lambda key: f"<{key}>",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("{{.Name}}", "web"),
        ("{{ .State.Status }} {{$.Name}}", "running web"),
        ('{{join .Env ","}}', "A=1,B=2"),
        ("{{.Env}} {{.Labels}} {{.State.Running}} {{.Half}} {{.Whole}}", "[A=1 B=2] map[a:b com.x/y:z] true 0.5 3"),
        ("{{range .Env}}[{{.}}]{{end}}", "[A=1][B=2]"),
        ("{{range $i, $e := .Env}}{{$i}}={{$e}};{{end}}", "0=A=1;1=B=2;"),
        ("{{range $e := .Env}}{{$e}}{{else}}none{{end}}", "A=1B=2"),
        ("{{range $k, $v := .Labels}}{{$k}}:{{$v}} {{end}}", "a:b com.x/y:z "),
        ("{{range .None}}x{{else}}none{{end}}", "none"),
        ('{{range .Env}}{{if eq . "B=2"}}{{break}}{{end}}{{.}}{{end}}', "A=1"),
        ('{{range .Env}}{{if eq . "A=1"}}{{continue}}{{end}}{{.}}{{end}}', "B=2"),
        ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
        ("{{if .None}}a{{else if .Name}}b{{else}}c{{end}}", "b"),
        ("{{with .State}}{{.Pid}}{{end}}{{with .None}}x{{else}}y{{end}}", "42y"),
        ('{{$x := .Name}}{{$x = "n"}}{{$x}}', "n"),
        ('{{index .Labels "com.x/y"}} {{index .Env 1}} {{index .Labels "no"}}', "z B=2 "),
        ('{{(index (index .Ports "80/tcp") 0).HostPort}}', "8080"),
        ('{{ (index .Ports "80/tcp" 0).HostPort | printf "%5s|" }}', " 8080|"),
        ("{{.Name | upper | lower | title}}", "Web"),
        ('{{join .Env ","}} {{split "a/b" "/"}} {{.Env | len}}', "A=1,B=2 [a b] 2"),
        ("{{truncate .Id 4}} {{slice .Id 0 3}} {{pad .Name 1 2}}|", "0123 012  web  |"),
        ('{{print "a" 1 2 "b"}}{{println .Name}}', "a1 2bweb\n"),
        ('{{printf "%d %s %v %q %x %.1f %-5s| %%" 1 "s" true "q" 255 .Half "l"}}', '1 s true "q" ff 0.5 l    | %'),
        ('{{and true .Name}} {{or .None 0 "x"}} {{not .None}}', "web x true"),
        (
            '{{eq 1 1}} {{eq .Name "a" "web"}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 1 2}}',
            "true true true true true false false",
        ),
        ('{{.Label "a"}} {{"quoted\\t\\u00e9"}} {{`raw\\n`}} {{\'a\'}}', "<a> quoted\té raw\\n 97"),
        ("a {{- /* comment */ -}} b {{- .Name -}} c", "abwebc"),
        ("{{/* only */}}x", "x"),
        ("{{.Env | len}} {{true}} {{1.5}} {{-3}} {{0x10}}", "2 true 1.5 -3 16"),
        ('{{"}}"}}', "}}"),
        ("{{len .Name}} {{.None}}", "3 []"),
    ],
)
def test_what_users_write(text: str, expected: str) -> None:
    assert Template(text).render(DATA) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{.Foo", "template: :1: unclosed action"),
        ('{{"x', "unterminated quoted string"),
        ("{{if .A}}x", "unexpected EOF"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{else}}", "unexpected {{else}}"),
        ("{{if .A}}{{else}}{{else}}{{end}}", "unexpected {{else}}"),
        ("{{}}", "missing value for command"),
        ("{{.A |}}", "missing value for command"),
        ("{{(.A}}", "unclosed left paren"),
        ("{{.A )}}", 'unexpected ")" in operand'),
        ("{{.A ? 1}}", 'unexpected "?" in command'),
        ("{{$=(}}", "unclosed left paren"),
        ("{{1x}}", "bad number syntax"),
        ('{{"\\z"}}', "invalid escape"),
        ('{{template "x"}}', "{{template}} is not supported"),
        ('{{define "x"}}{{end}}', "{{define}} is not supported"),
        ("{{if .A}}{{else range .B}}{{end}}", "unexpected {{else range .B}}"),
    ],
)
def test_malformed(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as refusal:
        parse(text)
    assert message in str(refusal.value)
