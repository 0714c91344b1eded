"""ECR's calls about images, answered from the registry's disk: moto knows none that docker pushed.

Source: the ECR API reference (DescribeImages, ListImages, BatchGetImage, BatchDeleteImage, PutImage, DeleteRepository,
PutAccountSetting).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.front.disk import DIGEST, children, parse, sha256
from sandbox.front.exchange import Upstream
from sandbox.front.refusals import Refusal, tag_exists
from sandbox.front.rules import Ecr

PAGE = 100
"""How many images an answer has if the call does not say."""

_CREATED = 201
_MOUNTING = "BLOB_MOUNTING"


class FaultError(Exception):
    """An error of ECR's API.

    Args:
        kind: the exception's name in the API.
        message: its text.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class Images:
    """Answers calls about the images of one account's registry.

    Args:
        ecr: the registry.
    """

    def __init__(self, ecr: Ecr) -> None:
        self._ecr = ecr
        self._disk = ecr.disk
        self._account = ecr.registry.account
        self._calls = {
            "DescribeImages": self._describe,
            "ListImages": self._list,
            "BatchGetImage": self._get,
            "BatchDeleteImage": self._delete,
            "PutImage": self._put,
        }

    def answer(self, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        """Answer a call; None if moto has to answer it.

        Raises:
            FaultError: ECR would refuse it.
        """
        match operation, arguments.get("name"):
            case "PutAccountSetting" | "GetAccountSetting", "BLOB_MOUNTING":
                return self._setting(str(arguments.get("value") or ""))
        about_templates = self._ecr.templates.answer(operation, arguments, self._account)
        if about_templates is not None:
            return about_templates
        name = str(arguments.get("repositoryName") or "")
        if operation == "DeleteRepository":
            if self._ecr.repositories.find(name) and self._disk.manifests(name) and not arguments.get("force"):
                raise FaultError(
                    "RepositoryNotEmptyException",
                    self._about("repository", name, "cannot be deleted because it still contains images"),
                )
            return None
        call = self._calls.get(operation)
        if call is None:
            return None
        if self._ecr.repositories.find(name) is None:
            raise FaultError("RepositoryNotFoundException", self._ecr.registry.name_unknown(name).message)
        return call(name, arguments)

    def _about(self, what: str, name: str, says: str) -> str:
        return f"The {what} with name '{name}' in registry with id '{self._account}' {says}"

    def _setting(self, value: str) -> dict[str, Any]:
        if value:
            self._ecr.settings[_MOUNTING] = value
        return {"name": _MOUNTING, "value": self._ecr.settings.get(_MOUNTING, "DISABLED")}

    # Reading

    def _describe(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        tags = self._tags(name)
        pushed = self._disk.manifests(name)
        if wanted := arguments.get("imageIds"):
            found = [self._named(name, one) for one in wanted]
        else:
            found = [one for one in pushed if _has_status(tags.get(one), arguments)]
        page, more = _page(sorted(set(found), key=lambda one: (pushed[one], one)), arguments)
        return {"imageDetails": [self._detail(name, one, tags.get(one, []), pushed[one]) for one in page], **more}

    def _list(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        tags = self._tags(name)
        ids: list[dict[str, str]] = []
        for digest in self._disk.manifests(name):
            if _has_status(tags.get(digest), arguments):
                ids += [{"imageDigest": digest, "imageTag": tag} for tag in tags.get(digest, [])]
                ids += [] if digest in tags else [{"imageDigest": digest}]
        page, more = _page(ids, arguments)
        return {"imageIds": page, **more}

    def _get(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        images, failures = [], []
        for wanted in arguments.get("imageIds") or ():
            try:
                digest = self._named(name, wanted)
            except FaultError:
                failures.append(_failure(wanted, "ImageNotFound", "Requested image not found"))
                continue
            images.append(self._image(name, {"imageDigest": digest} | wanted, self._disk.manifest(digest)))
        return {"images": images, "failures": failures}

    def _tags(self, name: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for tag, digest in sorted(self._disk.tags(name).items()):
            found.setdefault(digest, []).append(tag)
        return found

    def _named(self, name: str, wanted: Mapping[str, str]) -> str:
        digest, tag = wanted.get("imageDigest"), wanted.get("imageTag")
        found = self._disk.digest(name, digest or tag or "")
        if found is None or (digest and tag and self._disk.digest(name, tag) != digest):
            text = f"The image with imageId {{imageDigest:'{digest or 'null'}', imageTag:'{tag or 'null'}'}} does not "
            text += f"exist within the repository with name '{name}' in the registry with id '{self._account}'"
            raise FaultError("ImageNotFoundException", text)
        return found

    def _image(self, name: str, image_id: Mapping[str, str], content: bytes) -> dict[str, Any]:
        return {
            "registryId": self._account,
            "repositoryName": name,
            "imageId": dict(image_id),
            "imageManifest": content.decode(),
            "imageManifestMediaType": str(parse(content).get("mediaType") or ""),
        }

    def _detail(self, name: str, digest: str, tags: list[str], pushed: float) -> dict[str, Any]:
        manifest = self._disk.parsed(digest)
        config = manifest.get("config") or {}
        subject = manifest.get("subject") or {}
        found = {
            "registryId": self._account,
            "repositoryName": name,
            "imageDigest": digest,
            "imageTags": tags or None,
            "imageSizeInBytes": self._size(manifest),
            "imagePushedAt": pushed,
            "imageManifestMediaType": manifest.get("mediaType"),
            "artifactMediaType": manifest.get("artifactType") or config.get("mediaType"),
            "subjectManifestDigest": subject.get("digest"),
            "imageStatus": "ACTIVE",
        }
        return {key: value for key, value in found.items() if value is not None}

    def _size(self, manifest: Mapping[str, Any]) -> int:
        """Return an image's size; of an index, the largest of its images' sizes, as the API reference says."""
        listed = [self._disk.parsed(one) for one in children(dict(manifest))]
        if listed:
            return max(map(self._size, listed))
        return sum(
            int(entry.get("size") or 0) for entry in [manifest.get("config") or {}, *(manifest.get("layers") or ())]
        )

    # Writing

    def _delete(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        deleted: list[dict[str, str]] = []
        failures = []
        for wanted in arguments.get("imageIds") or ():
            with self._ecr.alone(name):
                try:
                    digest = self._named(name, wanted)
                except FaultError:
                    failures.append(_failure(wanted, "ImageNotFound", "Requested image not found"))
                    continue
                tags = self._tags(name).get(digest, [])
                tag = wanted.get("imageTag")
                if tag and tags != [tag]:
                    self._disk.delete_tag(name, tag)
                    deleted.append({"imageDigest": digest, "imageTag": tag})
                    continue
                holders = [one for one in self._disk.manifests(name) if digest in children(self._disk.parsed(one))]
                if holders:
                    reason = f"Requested image referenced by manifest list: [{', '.join(holders)}]"
                    failures.append(_failure(wanted, "ImageReferencedByManifestList", reason))
                    continue
                self._disk.delete(name, digest)
                deleted += [{"imageDigest": digest, "imageTag": one} for one in tags] or [{"imageDigest": digest}]
        return {"imageIds": deleted, "failures": failures}

    def _put(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        if not self._ecr.quotas.take("PutImage"):
            raise FaultError("ThrottlingException", "Rate exceeded")
        content = str(arguments["imageManifest"]).encode()
        digest, tag = sha256(content), arguments.get("imageTag")
        if arguments.get("imageDigest") not in {None, digest}:
            raise FaultError(
                "ImageDigestDoesNotMatchException", "The digest does not match the one that Amazon ECR has calculated."
            )
        manifest = parse(content)
        with self._ecr.alone(name):
            self._check_put(name, digest, tag, manifest)
            kind = str(arguments.get("imageManifestMediaType") or manifest.get("mediaType") or "")
            refused = self._push(f"/v2/{name}/manifests/{tag or digest}", content, kind)
        if refused:
            raise FaultError("InvalidParameterException", refused)
        image_id = {"imageDigest": digest} | ({"imageTag": str(tag)} if tag else {})
        return {"image": self._image(name, image_id, content)}

    def _check_put(self, name: str, digest: str, tag: str | None, manifest: dict[str, Any]) -> None:
        repository = self._ecr.repositories.find(name)
        there = self._disk.digest(name, tag) if tag else self._disk.has(name, digest) and digest
        if there == digest:
            at = f"Image with digest '{digest}' and tag '{tag}' already exists in the repository with name '{name}'"
            raise FaultError("ImageAlreadyExistsException", f"{at} in registry with id '{self._account}'")
        refused: Refusal | None = None
        if repository is not None:
            refused = self._ecr.check_put(repository, tag or digest, digest)
        if refused is not None:
            same = tag is not None and refused.message == tag_exists(name, tag).message
            raise FaultError("ImageTagAlreadyExistsException" if same else "LimitExceededException", refused.message)
        lacks = self._ecr.missing(name, manifest)
        if lacks is not None:
            kind = "ReferencedImagesNotFoundException" if children(manifest) else "LayersNotFoundException"
            raise FaultError(kind, lacks.message)

    def _push(self, path: str, content: bytes, kind: str) -> str:
        """Put a manifest; return what the registry says against it."""
        upstream = Upstream(self._ecr.behind)
        try:
            upstream.request(
                "PUT",
                path,
                content,
                {"Content-Type": kind} | ({"Authorization": self._ecr.login} if self._ecr.login else {}),
            )
            answer = upstream.getresponse()
            said = answer.read().decode(errors="replace")
            return "" if answer.status == _CREATED else said
        finally:
            upstream.close()


def _has_status(tags: list[str] | None, arguments: Mapping[str, Any]) -> bool:
    status = (arguments.get("filter") or {}).get("tagStatus", "ANY")
    return status == "ANY" or (status == "TAGGED") is bool(tags)


def _page(found: list[Any], arguments: Mapping[str, Any]) -> tuple[list[Any], dict[str, str]]:
    start = int(arguments.get("nextToken") or 0)
    end = start + int(arguments.get("maxResults") or PAGE)
    return found[start:end], {"nextToken": str(end)} if end < len(found) else {}


def _failure(wanted: Mapping[str, str], code: str, reason: str) -> dict[str, Any]:
    digest = wanted.get("imageDigest")
    if digest and not DIGEST.fullmatch(digest):
        code, reason = "InvalidImageDigest", "Invalid request parameters: image digest should satisfy the regex"
    return {"imageId": dict(wanted), "failureCode": code, "failureReason": reason}
