from typing import Any

from carrack.cli.image_tree import tree


def manifest(architecture: str, *users: str, here: bool = True, kind: str = "image") -> dict[str, Any]:
    return {
        "ID": "sha256:" + architecture * 5,
        "Kind": kind,
        "Available": here,
        "Size": {"Content": 1000, "Total": 5000},
        "ImageData": {
            "Platform": {"os": "linux", "architecture": architecture, "variant": "v7" if architecture == "arm" else ""},
            "Size": {"Unpacked": 4000},
            "Containers": list(users),
        },
    }


def test_platforms_below_their_image() -> None:
    several = [manifest("amd64", "box"), manifest("arm"), manifest("s390x", here=False), manifest("x", kind="unknown")]
    image = {"Id": "sha256:" + "a" * 64, "RepoTags": ["b:1", "a:1"], "Size": 4000, "Manifests": several}
    assert [line.split()[0] for line in tree([image])[3:]] == ["├─", "└─"]
    assert [line.split() for line in tree([image], everything=True)] == [
        ["IMAGE", "ID", "DISK", "USAGE", "CONTENT", "SIZE", "EXTRA"],
        ["a:1"],
        ["b:1", "a" * 12, "15kB", "3kB", "U"],
        ["├─", "linux/amd64", "amd64amd64am", "5kB", "1kB", "U"],
        ["├─", "linux/arm/v7", "armarmarmarm", "5kB", "1kB"],
        ["└─", "linux/s390x", "s390xs390xs3", "-", "-", "not", "here"],
    ]


def test_images_for_one_platform() -> None:
    bare = {"Id": "sha256:" + "b" * 64, "RepoTags": [], "Size": 70, "Containers": 1}
    pulled = {"Id": "sha256:c", "RepoDigests": ["x@sha256:1"], "Size": 4000, "Manifests": [manifest("amd64")]}
    lines = [line.split() for line in tree([bare, pulled], full=True)]
    assert lines[1:] == [["<untagged>", bare["Id"], "70B", "0B", "U"], ["x@sha256:1", "sha256:c", "5kB", "1kB"]]
