import pytest

from tasks.errors import SettingsError
from tasks.refresh import parse


@pytest.mark.parametrize(
    ("reference", "repository", "tag"),
    [
        ("ubuntu", "registry-1.docker.io/library/ubuntu", "latest"),
        ("ubuntu:24.04", "registry-1.docker.io/library/ubuntu", "24.04"),
        ("apache/spark:3.5", "registry-1.docker.io/apache/spark", "3.5"),
        ("docker.io/library/debian:12", "registry-1.docker.io/library/debian", "12"),
        ("docker.io/debian:12", "registry-1.docker.io/library/debian", "12"),
        ("127.0.0.1:5000/base", "127.0.0.1:5000/base", "latest"),
        ("localhost/base:1", "localhost/base", "1"),
        ("public.ecr.aws/lambda/java:21", "public.ecr.aws/lambda/java", "21"),
    ],
)
def test_a_reference_is_read_as_docker_reads_it(reference: str, repository: str, tag: str) -> None:
    found, name = parse(reference)
    assert (str(found), name) == (repository, tag)


@pytest.mark.parametrize("reference", ["", "UPPER", "a b", "host.example/", "$BASE"])
def test_what_is_no_reference_is_refused(reference: str) -> None:
    with pytest.raises(SettingsError):
        parse(reference)
