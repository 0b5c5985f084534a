"""``carrack tag``: one more name for an image."""

from carrack.cli.command import Command, checked
from carrack.client import images
from carrack.errors import InvalidArgument
from carrack.oci import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed


def _tag(session: "Session", parsed: "Parsed") -> int:
    source, target = (checked(name) for name in parsed.arguments)
    if "@" in target:
        raise InvalidArgument("refusing to create a tag with a digest reference")
    try:
        reference.parse(target)
    except InvalidArgument as error:
        raise InvalidArgument(f'Error parsing reference: "{target}" is not a valid repository/tag: {error}') from error
    images.tag(session.daemon, source, *images.split_reference(target))
    return 0


TAG = Command(
    "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    _tag,
    least=2,
    most=2,
    example="carrack tag busybox:latest tools:1",
)
