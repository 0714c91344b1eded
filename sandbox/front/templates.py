"""Repository creation templates: which repositories ECR creates at their first push. moto knows none.

Source: the ECR API reference (CreateRepositoryCreationTemplate), the user guide ("Repository creation templates"): the
longest prefix that fits counts, and ROOT fits if no other does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ON_PUSH = "CREATE_ON_PUSH"
_ROOT = "ROOT"
_KEPT = ("imageTagMutability", "imageTagMutabilityExclusionFilters")


class Templates:
    """The templates of one account. They are forgotten with the process."""

    def __init__(self) -> None:
        self._templates: dict[str, dict[str, Any]] = {}

    def answer(self, operation: str, arguments: Mapping[str, Any], account: str) -> dict[str, Any] | None:
        """Answer a call about templates; None if it is about something else."""
        prefix = str(arguments.get("prefix") or "")
        match operation:
            case "CreateRepositoryCreationTemplate":
                self._templates[prefix] = {name: value for name, value in arguments.items() if name != "registryId"}
                return {"registryId": account, "repositoryCreationTemplate": self._templates[prefix]}
            case "DeleteRepositoryCreationTemplate":
                return {"registryId": account, "repositoryCreationTemplate": self._templates.pop(prefix, {})}
            case "DescribeRepositoryCreationTemplates":
                return {"registryId": account, "repositoryCreationTemplates": list(self._templates.values())}
        return None

    def for_push(self, name: str) -> dict[str, Any] | None:
        """Return the arguments of CreateRepository for a push to a missing repository; None if the push fails."""
        fitting = [one for one in self._templates if name.startswith(f"{one.rstrip('/')}/")]
        template = self._templates.get(max(fitting, key=len, default=_ROOT))
        if template is None or _ON_PUSH not in (template.get("appliedFor") or ()):
            return None
        return {"repositoryName": name, **{key: template[key] for key in _KEPT if key in template}}
