"""What is given to buildx, recorded by a stand-in `docker`: the document's builds of each kind of image, and no tag."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.graph.conftest import VERSION, Graph
from tests.registry.server import Answer, Asked, serving

pytestmark = pytest.mark.graph

# It keeps the context as it was when the build began, and refuses: what comes after a build is not looked at here.
DOCKER = """#!/bin/sh
case "$1 $2" in
    "version "*) echo 28.0 ;;
    "buildx version") echo github.com/docker/buildx v0.20.0 x ;;
    "info "*) echo '[["driver-type","io.containerd.snapshotter.v1"]]' ;;
    "context show") /bin/grep -so sleeper-images-sees "$DOCKER_CONFIG/config.json" || echo default ;;
    "buildx build")
        case "$*" in *" -") exit 1 ;; esac
        for word; do printf '%s\\n' "$word" >> {root}/words; done
        /bin/cp -R "$word" {root}/context
        exit 1 ;;
esac
"""


def built(graph: Graph, image: str) -> tuple[list[str], dict[str, bytes]]:
    """Push an image; return the words of its build, and the files of the context by their paths."""
    docker = graph.root / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER.format(root=graph.root))
    docker.chmod(0o755)
    with serving(_takes_everything) as registry:
        user = graph.given(INSTANCE_ID="mine", DOCKER_REGISTRY=str(registry.registry), BUILDER_DRIVER="docker")
        user.doit(f"push:{image}")
    return (graph.root / "words").read_text().splitlines(), files(graph.root / "context")


def _takes_everything(asked: Asked) -> Answer:
    if asked.target == "/v2/":
        return Answer()
    return Answer(202, {"Location": asked.target + "1"}) if asked.method == "POST" else Answer(404)


def files(directory: Path) -> dict[str, bytes]:
    found = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in found}


@pytest.mark.parametrize("image", ["ingest", "compaction-job-execution"])
def test_a_deployment_is_built_from_its_own_directory(graph: Graph, image: str) -> None:
    _, context = built(graph, image)
    assert context == files(graph.scripts / "docker" / image)
    assert "Dockerfile" in context


def test_a_lambda_is_built_from_the_lambdas_directory_with_its_own_jar(graph: Graph) -> None:
    # The commands of the document leave the jar of another lambda there.
    (graph.scripts / "docker" / "lambda" / "lambda.jar").write_bytes(b"another's")
    before = files(graph.scripts)
    _, context = built(graph, "query-lambda")
    jar = (graph.scripts / "jars" / f"query-{VERSION}.jar").read_bytes()
    assert context == {**files(graph.scripts / "docker" / "lambda"), "lambda.jar": jar}
    assert files(graph.scripts) == before


@pytest.mark.parametrize(
    ("image", "platforms"),
    [
        ("ingest", "linux/amd64"),
        ("query-lambda", "linux/amd64"),
        ("compaction-job-execution", "linux/amd64,linux/arm64"),
    ],
)
def test_a_build_has_the_documents_options_and_no_tag_of_ours(graph: Graph, image: str, platforms: str) -> None:
    words, _ = built(graph, image)
    output, metadata, context = words[-3:]
    assert words[:-3] == [
        "buildx", "build", "--builder=default", "--provenance=false", "--sbom=false", f"--platform={platforms}",
    ]  # fmt: skip
    assert output.startswith("--output=type=image,name=")
    assert f"/mine/{image}:building," in output
    assert metadata == f"--metadata-file={graph.state}/logs/push-{image}.json"
    assert Path(context).parent == graph.state / "contexts"
