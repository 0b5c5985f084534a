"""The rules that Dockerfiles are checked by: their names, what they ask for and how a breach of them is told.

Names, texts and addresses are those of Docker's build checks. Source: Docker documentation, "Build checks".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SITE = "https://docs.docker.com/go/dockerfile/rule/"


@dataclass(frozen=True, slots=True)
class Rule:
    """``told`` has a ``{}`` for each thing that a breach names; an experimental rule is used only when asked for."""

    name: str
    description: str
    told: str
    experimental: bool = False

    @property
    def done(self) -> bool:
        """Whether it is about what instructions do, and so of interest for stages that are built only."""
        return self.name in _OF_WHAT_IS_DONE

    @property
    def url(self) -> str:
        """Where it is explained."""
        return f"{_SITE}{re.sub('(?<=[a-z0-9])(?=[A-Z])|(?<=JSON)', '-', self.name).lower()}/"


_OF_WHAT_IS_DONE = frozenset((
    "CopyIgnoredFile", "ExposeInvalidFormat", "ExposeProtoCasing", "InvalidBaseImagePlatform", "JSONArgsRecommended",
    "MultipleInstructionsDisallowed", "SecretsUsedInArgOrEnv", "UndefinedVar", "WorkdirRelativePath",
))  # fmt: skip
_COPIED = "Attempting to copy a file that is excluded by .dockerignore"
_PLATFORM = "in FROM is redundant as this is the default behavior"
_COMMENT = (
    "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not "
    "intended to be a description comment, add an empty line or comment between the instruction and the comment."
)
RULES = {
    rule.name: rule
    for rule in (
        Rule(
            "ConsistentInstructionCasing",
            "All commands within the Dockerfile should use the same casing (either upper or lower)",
            "Command '{}' should match the case of the command majority ({})",
        ),
        Rule("CopyIgnoredFile", _COPIED, 'Attempting to {} file "{}" that is excluded by .dockerignore', True),
        Rule(
            "DuplicateStageName",
            "Stage names should be unique",
            'Duplicate stage name "{}", stage names should be unique',
        ),
        Rule(
            "ExposeInvalidFormat",
            "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a "
            "future release",
            "EXPOSE instruction should not define an IP address or host-port mapping, found '{}'",
        ),
        Rule(
            "ExposeProtoCasing",
            "Protocol in EXPOSE instruction should be lowercase",
            "Defined protocol '{}' in EXPOSE instruction should be lowercase",
        ),
        Rule(
            "FromAsCasing",
            "The 'as' keyword should match the case of the 'from' keyword",
            "'{}' and '{}' keywords' casing do not match",
        ),
        Rule(
            "FromPlatformFlagConstDisallowed",
            "FROM --platform flag should not use a constant value",
            'FROM --platform flag should not use constant value "{}"',
        ),
        Rule(
            "InvalidBaseImagePlatform",
            "Base image platform does not match expected target platform",
            'Base image {} was pulled with platform "{}", expected "{}" for current build',
        ),
        Rule(
            "InvalidDefaultArgInFrom",
            "Default value for global ARG results in an empty or invalid base image name",
            "Default value for ARG {} results in empty or invalid base image name",
        ),
        Rule(
            "InvalidDefinitionDescription",
            _COMMENT,
            "Comment for {} should follow the format: `# {} <description>`",
            True,
        ),
        Rule(
            "JSONArgsRecommended",
            "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
            "JSON arguments recommended for {} to prevent unintended behavior related to OS signals",
        ),
        Rule(
            "LegacyKeyValueFormat",
            "Legacy key/value format with whitespace separator should not be used",
            '"{0} key=value" should be used instead of legacy "{0} key value" format',
        ),
        Rule(
            "MaintainerDeprecated",
            "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
            "Maintainer instruction is deprecated in favor of using label",
        ),
        Rule(
            "MultipleInstructionsDisallowed",
            "Multiple instructions of the same type should not be used in the same stage",
            "Multiple {} instructions should not be used in the same stage because only the last one will be used",
        ),
        Rule(
            "NoEmptyContinuation",
            "Empty continuation lines will become errors in a future release",
            "Empty continuation line",
        ),
        Rule(
            "RedundantTargetPlatform",
            f"Setting platform to predefined $TARGETPLATFORM {_PLATFORM}",
            f"Setting platform to predefined {{}} {_PLATFORM}",
        ),
        Rule(
            "ReservedStageName",
            "Reserved words should not be used as stage names",
            'Stage name should not use the same name as reserved stage "{}"',
        ),
        Rule(
            "SecretsUsedInArgOrEnv",
            "Sensitive data should not be used in the ARG or ENV commands",
            'Do not use ARG or ENV instructions for sensitive data ({} "{}")',
        ),
        Rule("StageNameCasing", "Stage names should be lowercase", "Stage name '{}' should be lowercase"),
        Rule("UndefinedArgInFrom", "FROM command must use declared ARGs", "FROM argument '{}' is not declared{}"),
        Rule("UndefinedVar", "Variables should be defined before their use", "Usage of undefined variable '${}'{}"),
        Rule(
            "WorkdirRelativePath",
            "Relative workdir without an absolute workdir declared within the build can have unexpected results if the "
            "base image changes",
            'Relative workdir "{}" can have unexpected results if the base image changes',
        ),
    )
}
