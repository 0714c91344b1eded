"""What ECR refuses and moto and registry 2.8 take: status codes and texts, asked for by plain HTTP and by boto3."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from sandbox.layout import ACCOUNT, REGION, Sandbox
from sandbox.process import Server
from tests.integration.api import basic, client, create, registry_of

pytestmark = pytest.mark.integration

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
STRANGER = "210987654321"

_names = itertools.count()


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def error(self) -> tuple[int, str, str]:
        """Its status, and the code and message of its error."""
        (error,) = json.loads(self.body)["errors"]
        return self.status, error["code"], error["message"]


@dataclass
class Pusher:
    """Who pushes to a repository of its own by plain HTTP."""

    box: Sandbox
    name: str
    login: str

    def ask(
        self, method: str, path: str, body: bytes | Iterator[bytes] | None = None, name: str = "", **headers: str
    ) -> Answer:
        sent = {"Authorization": self.login, **{key.replace("_", "-"): value for key, value in headers.items()}}
        with closing(http.client.HTTPConnection(self.box.docker_registry, timeout=60)) as connection:
            url = path if path.startswith("/v2/") else f"/v2/{name or self.name}/{path}"
            connection.request(method, url, body, sent, encode_chunked=not isinstance(body, bytes | None))
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())

    def blob(self, content: bytes, name: str = "") -> str:
        begun = self.ask("POST", "blobs/uploads/", b"", name=name)
        assert begun.status == 202, begun.body
        place = urlsplit(begun.headers["Location"])
        ended = self.ask("PUT", f"{place.path}?{place.query}&digest={sha256(content)}", content)
        assert ended.status == 201, ended.body
        return sha256(content)

    def image(self, text: str = "", **more: Any) -> bytes:
        """Push an image's blobs; return its manifest."""
        config = json.dumps({"os": "linux", "architecture": "amd64", "note": text}).encode()
        self.blob(config)
        entry = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": sha256(config), "size": len(config)}
        return json.dumps(
            {"schemaVersion": 2, "mediaType": IMAGE, "config": entry, "layers": [], **more}, sort_keys=True
        ).encode()

    def put(self, reference: str, manifest: bytes, kind: str = IMAGE) -> Answer:
        """Put a manifest, again and again while the quota is used up by those before us."""
        while (found := self.ask("PUT", f"manifests/{reference}", manifest, Content_Type=kind)).status == 429:
            pass
        return found


@pytest.fixture
def absent(sandbox: Sandbox) -> Pusher:
    return Pusher(sandbox, f"rules/absent-{next(_names)}", basic())


@pytest.fixture
def pusher(absent: Pusher) -> Pusher:
    create(absent.box, absent.name)
    return absent


def unknown(name: str) -> tuple[int, str, str]:
    text = f"The repository with name '{name}' does not exist in the registry with id '{ACCOUNT}'"
    return 404, "NAME_UNKNOWN", text


# Repositories


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "blobs/uploads/"), ("PUT", "manifests/v1"), ("GET", "manifests/v1"), ("GET", "tags/list")],
)
def test_a_repository_that_was_not_created_takes_and_gives_nothing(absent: Pusher, method: str, path: str) -> None:
    assert absent.ask(method, path, b"").error == unknown(absent.name)


def test_a_repository_that_was_deleted_is_unknown_at_once(pusher: Pusher) -> None:
    pusher.put("v1", pusher.image())
    client(pusher.box).delete_repository(repositoryName=pusher.name, force=True)
    assert pusher.ask("GET", "manifests/v1").error == unknown(pusher.name)


def test_a_repository_that_is_created_again_is_empty(pusher: Pusher) -> None:
    pusher.put("v1", pusher.image())
    client(pusher.box).delete_repository(repositoryName=pusher.name, force=True)
    create(pusher.box, pusher.name)
    assert pusher.ask("GET", "manifests/v1").error == (404, "MANIFEST_UNKNOWN", "Requested image not found")


def test_a_repository_with_images_is_not_deleted_without_force(pusher: Pusher) -> None:
    pusher.put("v1", pusher.image())
    with pytest.raises(ClientError, match="RepositoryNotEmptyException"):
        client(pusher.box).delete_repository(repositoryName=pusher.name)


def test_an_empty_repository_lists_no_tags(pusher: Pusher) -> None:
    assert json.loads(pusher.ask("GET", "tags/list").body) == {"name": pusher.name, "tags": []}


@pytest.mark.parametrize(("applied", "status"), [("CREATE_ON_PUSH", 202), ("REPLICATION", 404)])
def test_a_push_creates_a_repository_where_a_template_says_so(absent: Pusher, applied: str, status: int) -> None:
    ecr = client(absent.box)
    absent.name = f"{applied.lower()}/one"
    template = {"prefix": applied.lower(), "appliedFor": [applied], "imageTagMutability": "IMMUTABLE"}
    ecr.create_repository_creation_template(**template)
    assert absent.ask("GET", "manifests/v1").error == unknown(absent.name)
    assert absent.ask("POST", "blobs/uploads/", b"").status == status
    if status == 202:
        (made,) = ecr.describe_repositories(repositoryNames=[absent.name])["repositories"]
        assert made["imageTagMutability"] == "IMMUTABLE"


def test_another_accounts_registry_has_repositories_of_its_own(pusher: Pusher) -> None:
    with registry_of(pusher.box, STRANGER) as other:
        stranger = replace(pusher, box=other, login=basic(f"{STRANGER}-auth-token"))
        status, code, text = stranger.ask("GET", "manifests/v1").error
        assert (status, code) == (404, "NAME_UNKNOWN")
        assert f"in the registry with id '{STRANGER}'" in text
        assert pusher.ask("GET", "manifests/v1").error[1] == "MANIFEST_UNKNOWN"


def test_a_call_that_names_the_registry_is_about_it_whoever_calls(pusher: Pusher) -> None:
    role = f"arn:aws:iam::{STRANGER}:role/any"
    login = client(pusher.box, "sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    ecr = boto3.client(
        "ecr",
        REGION,
        endpoint_url=pusher.box.endpoint_url,
        aws_access_key_id=login["AccessKeyId"],
        aws_secret_access_key=login["SecretAccessKey"],
        aws_session_token=login["SessionToken"],
    )
    (found,) = ecr.describe_repositories(registryId=ACCOUNT, repositoryNames=[pusher.name])["repositories"]
    assert found["registryId"] == ACCOUNT
    with pytest.raises(ClientError, match="RepositoryNotFoundException"):
        ecr.describe_repositories(repositoryNames=[pusher.name])


# Logins


def test_without_a_login_ecr_asks_for_one(pusher: Pusher) -> None:
    pusher.login = ""
    found = pusher.ask("GET", "/v2/")
    realm = f'Basic realm="https://{pusher.box.docker_registry}/",service="ecr.amazonaws.com"'
    assert (found.status, found.headers["Www-Authenticate"], found.body) == (401, realm, b"Not Authorized\n")


@pytest.mark.parametrize("login", [basic("mangled"), basic(user="me"), "Basic ???"])
def test_a_mangled_token_is_a_bad_request(pusher: Pusher, login: str) -> None:
    pusher.login = login
    assert pusher.ask("GET", "/v2/").status == 400


def test_a_token_of_another_account_may_nothing_that_no_policy_allows(pusher: Pusher) -> None:
    pusher.login = basic(f"{STRANGER}-auth-token")
    text = (
        f"User: arn:aws:iam::{STRANGER}:root is not authorized to perform: ecr:InitiateLayerUpload on resource: "
        f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{pusher.name} because no resource-based policy allows the "
        "ecr:InitiateLayerUpload action"
    )
    assert pusher.ask("POST", "blobs/uploads/", b"").error == (403, "DENIED", text)


def test_a_repositorys_policy_lets_another_account_in(pusher: Pusher) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{STRANGER}:root"},
        "Action": ["ecr:*LayerUpload"],
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "Push", **statement}]})
    client(pusher.box).set_repository_policy(repositoryName=pusher.name, policyText=policy)
    pusher.login = basic(f"{STRANGER}-auth-token")
    assert pusher.ask("POST", "blobs/uploads/", b"").status == 202
    assert pusher.ask("GET", "manifests/v1").status == 403


# Tags


def immutable(pusher: Pusher, exclusions: tuple[str, ...] = ()) -> None:
    filters = [{"filterType": "WILDCARD", "filter": pattern} for pattern in exclusions]
    more = {"imageTagMutabilityExclusionFilters": filters} if filters else {}
    setting = "IMMUTABLE_WITH_EXCLUSION" if filters else "IMMUTABLE"
    client(pusher.box).put_image_tag_mutability(repositoryName=pusher.name, imageTagMutability=setting, **more)


@pytest.mark.parametrize("other", ["another", ""])
def test_an_immutable_tag_is_not_put_twice_even_on_its_own_image(pusher: Pusher, other: str) -> None:
    immutable(pusher)
    assert pusher.put("v1", pusher.image()).status == 201
    text = (
        f"The image tag 'v1' already exists in the '{pusher.name}' repository and cannot be overwritten because the "
        "tag is immutable."
    )
    assert pusher.put("v1", pusher.image(other)).error == (400, "TAG_INVALID", text)


def test_a_refused_tag_stays_where_it_is(pusher: Pusher) -> None:
    immutable(pusher)
    first = pusher.image()
    pusher.put("v1", first)
    pusher.put("v1", pusher.image("another"))
    assert pusher.ask("GET", "manifests/v1", Accept=IMAGE).body == first


def test_a_tag_that_is_excluded_moves(pusher: Pusher) -> None:
    immutable(pusher, ("latest*",))
    first, second = pusher.image(), pusher.image("another")
    assert [pusher.put("latest-1", one).status for one in (first, second)] == [201, 201]
    assert [pusher.put("v1", one).status for one in (first, second)] == [201, 400]


def test_a_mutable_tag_moves(pusher: Pusher) -> None:
    assert [pusher.put("v1", pusher.image(text)).status for text in ("first", "second")] == [201, 201]


def test_an_image_has_1000_tags_and_no_more(pusher: Pusher) -> None:
    manifest = pusher.image()
    pusher.put("v0", manifest)
    # As the registry writes them; a thousand PUTs take the quota's hundred seconds.
    tags = pusher.box.registry_disk / f"docker/registry/v2/repositories/{pusher.name}/_manifests/tags"
    for number in range(1, 1000):
        (tags / f"v{number}" / "current").mkdir(parents=True)
        (tags / f"v{number}" / "current" / "link").write_text(sha256(manifest))
    text = (
        f"Adding tag 'more' to an image in the repository with name '{pusher.name}' in registry with id '{ACCOUNT}' "
        "exceeds the maximum allowed number of tags per image which is '1000'"
    )
    assert pusher.put("more", manifest).error == (403, "DENIED", text)
    assert pusher.put("v7", manifest).status == 201
    assert pusher.put("more", pusher.image("another")).status == 201


# Manifests


def test_an_image_whose_blobs_are_missing_is_refused(pusher: Pusher) -> None:
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": sha256(b"layer"), "size": 5}
    found = pusher.put("v1", pusher.image(layers=[layer]))
    text = (
        f"Layers with digests '[{layer['digest']}]' required for pushing image into repository with name "
        f"'{pusher.name}' in the registry with id '{ACCOUNT}' do not exist"
    )
    assert found.error == (400, "MANIFEST_BLOB_UNKNOWN", text)


def test_an_index_whose_images_are_missing_is_refused(pusher: Pusher) -> None:
    child = {"mediaType": IMAGE, "digest": sha256(b"child"), "size": 5}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}).encode()
    status, code, text = pusher.put("v1", manifest, INDEX).error
    assert (status, code) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert text.startswith(f"Images with digests '[{child['digest']}]' required for pushing image into repository")


def test_a_manifest_that_is_not_there_is_not_found(pusher: Pusher) -> None:
    assert pusher.ask("GET", "manifests/v1").error == (404, "MANIFEST_UNKNOWN", "Requested image not found")


def test_ecr_lists_referrers_itself(pusher: Pusher) -> None:
    image = pusher.image()
    pusher.put("v1", image)
    subject = {"mediaType": IMAGE, "digest": sha256(image), "size": len(image)}
    referrer = pusher.image("record", subject=subject, artifactType="application/vnd.example")
    found = pusher.put(sha256(referrer), referrer)
    assert found.headers["OCI-Subject"] == sha256(image)
    listed = pusher.ask("GET", f"referrers/{sha256(image)}")
    assert listed.headers["Content-Type"] == INDEX
    assert [entry["digest"] for entry in json.loads(listed.body)["manifests"]] == [sha256(referrer)]
    assert json.loads(pusher.ask("GET", f"referrers/{sha256(referrer)}").body)["manifests"] == []


def test_more_manifests_than_the_quota_are_throttled(pusher: Pusher) -> None:
    manifest = pusher.image()
    found = [pusher.ask("PUT", "manifests/v1", manifest, Content_Type=IMAGE) for _ in range(40)]
    refused = [one for one in found if one.status != 201]
    assert refused
    assert {one.error for one in refused} == {(429, "TOOMANYREQUESTS", "Rate exceeded")}


# Blobs


def test_a_layer_that_comes_in_chunks_is_what_was_sent(pusher: Pusher) -> None:
    pieces = [bytes([number]) * 700_001 for number in range(9)]
    place = urlsplit(pusher.ask("POST", "blobs/uploads/", b"").headers["Location"])
    sent = pusher.ask("PATCH", f"{place.path}?{place.query}", iter(pieces))
    assert sent.status == 202
    place = urlsplit(sent.headers["Location"])
    assert place.netloc == pusher.box.docker_registry
    digest = sha256(b"".join(pieces))
    assert pusher.ask("PUT", f"{place.path}?{place.query}&digest={digest}", b"").status == 201
    assert pusher.ask("GET", f"blobs/{digest}").body == b"".join(pieces)
    assert pusher.ask("HEAD", f"blobs/{digest}").headers["Content-Length"] == str(9 * 700_001)


def test_a_large_layer_is_not_held_in_memory(pusher: Pusher) -> None:
    place = urlsplit(pusher.ask("POST", "blobs/uploads/", b"").headers["Location"])
    piece = bytes(1024 * 1024)
    assert pusher.ask("PATCH", f"{place.path}?{place.query}", (piece for _ in range(150))).status == 202
    front = Server("front", pusher.box.state, pusher.box.logs).pid()
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{front}/status").read_text())
    assert int(peak) < 100 * 1024


@pytest.fixture
def mounting(sandbox: Sandbox) -> Iterator[None]:
    """The account's BLOB_MOUNTING is on."""
    ecr = client(sandbox)
    ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
    yield
    ecr.put_account_setting(name="BLOB_MOUNTING", value="DISABLED")


def mount(pusher: Pusher, digest: str) -> int:
    other = f"{pusher.name}-other"
    create(pusher.box, other)
    return pusher.ask("POST", f"blobs/uploads/?mount={digest}&from={pusher.name}", b"", name=other).status


def test_a_blob_is_not_mounted_unless_the_account_allows_it(pusher: Pusher) -> None:
    image = pusher.image()
    pusher.put("v1", image)
    assert mount(pusher, json.loads(image)["config"]["digest"]) == 202


@pytest.mark.usefixtures("mounting")
def test_a_blob_that_an_image_names_is_mounted(pusher: Pusher) -> None:
    image = pusher.image()
    pusher.put("v1", image)
    assert mount(pusher, json.loads(image)["config"]["digest"]) == 201


@pytest.mark.usefixtures("mounting")
def test_a_blob_that_no_image_names_is_not_mounted(pusher: Pusher) -> None:
    assert mount(pusher, pusher.blob(b"lonely")) == 202


def test_an_upload_cannot_be_cancelled(pusher: Pusher) -> None:
    place = urlsplit(pusher.ask("POST", "blobs/uploads/", b"").headers["Location"])
    assert pusher.ask("DELETE", f"{place.path}?{place.query}").status == 405


# What the API knows of images


def test_the_api_describes_what_docker_pushed(pusher: Pusher) -> None:
    before = datetime.now(UTC)
    image = pusher.image()
    for tag in ("v1", "v2"):
        pusher.put(tag, image)
    (found,) = client(pusher.box).describe_images(repositoryName=pusher.name)["imageDetails"]
    assert (found["imageDigest"], found["imageTags"]) == (sha256(image), ["v1", "v2"])
    assert (found["registryId"], found["imageManifestMediaType"]) == (ACCOUNT, IMAGE)
    assert found["imageSizeInBytes"] == json.loads(image)["config"]["size"]
    assert abs((found["imagePushedAt"] - before).total_seconds()) < 60


def test_a_tag_that_moves_is_no_push_of_the_image(pusher: Pusher) -> None:
    first = pusher.image()
    pusher.put("v1", first)
    ecr = client(pusher.box)
    pushed = ecr.describe_images(repositoryName=pusher.name)["imageDetails"][0]["imagePushedAt"]
    pusher.put("v1", pusher.image("another"))
    pusher.put("v1", first)
    (found,) = ecr.describe_images(repositoryName=pusher.name, imageIds=[{"imageTag": "v1"}])["imageDetails"]
    assert found["imagePushedAt"] == pushed


def test_an_image_that_is_not_there_is_not_described(pusher: Pusher) -> None:
    with pytest.raises(ClientError, match="ImageNotFoundException"):
        client(pusher.box).describe_images(repositoryName=pusher.name, imageIds=[{"imageTag": "v1"}])


def test_the_api_gives_a_manifest_byte_for_byte(pusher: Pusher) -> None:
    image = pusher.image()
    pusher.put("v1", image)
    wanted = [{"imageTag": "v1"}, {"imageTag": "v2"}]
    found = client(pusher.box).batch_get_image(repositoryName=pusher.name, imageIds=wanted)
    assert [one["imageManifest"].encode() for one in found["images"]] == [image]
    assert [one["failureCode"] for one in found["failures"]] == ["ImageNotFound"]


def test_a_manifest_that_the_api_puts_is_in_the_registry(pusher: Pusher) -> None:
    image = pusher.image().decode()
    ecr = client(pusher.box)
    ecr.put_image(repositoryName=pusher.name, imageManifest=image, imageTag="v1")
    assert pusher.ask("GET", "manifests/v1", Accept=IMAGE).body.decode() == image
    with pytest.raises(ClientError, match="ImageAlreadyExistsException"):
        ecr.put_image(repositoryName=pusher.name, imageManifest=image, imageTag="v1")


def test_the_api_moves_no_immutable_tag_either(pusher: Pusher) -> None:
    immutable(pusher)
    pusher.put("v1", pusher.image())
    with pytest.raises(ClientError, match="ImageTagAlreadyExistsException"):
        client(pusher.box).put_image(
            repositoryName=pusher.name, imageManifest=pusher.image("another").decode(), imageTag="v1"
        )


def test_an_image_is_deleted_with_its_last_tag(pusher: Pusher) -> None:
    image = pusher.image()
    for tag in ("v1", "v2"):
        pusher.put(tag, image)
    ecr = client(pusher.box)
    for tag, status in (("v1", 200), ("v2", 404)):
        ecr.batch_delete_image(repositoryName=pusher.name, imageIds=[{"imageTag": tag}])
        assert pusher.ask("GET", f"manifests/{tag}").status == 404
        assert pusher.ask("GET", f"manifests/{sha256(image)}", Accept=IMAGE).status == status
    assert ecr.list_images(repositoryName=pusher.name)["imageIds"] == []


def test_an_image_of_an_index_is_not_deleted(pusher: Pusher) -> None:
    image = pusher.image()
    pusher.put(sha256(image), image)
    child = {"mediaType": IMAGE, "digest": sha256(image), "size": len(image)}
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}).encode()
    assert pusher.put("v1", index, INDEX).status == 201
    found = client(pusher.box).batch_delete_image(repositoryName=pusher.name, imageIds=[{"imageDigest": sha256(image)}])
    assert [one["failureCode"] for one in found["failures"]] == ["ImageReferencedByManifestList"]


def test_untagged_images_are_listed_apart(pusher: Pusher) -> None:
    tagged, untagged = pusher.image(), pusher.image("untagged")
    pusher.put("v1", tagged)
    pusher.put(sha256(untagged), untagged)
    ecr = client(pusher.box)
    found = ecr.list_images(repositoryName=pusher.name, filter={"tagStatus": "UNTAGGED"})["imageIds"]
    assert found == [{"imageDigest": sha256(untagged)}]
