"""boto3's ECR client, logged in: how AWS is reached, and with which login. The only module that imports boto3.

The login (botocore's chain of credential providers) is resolved before the client sends anything. So a fault of a
provider is known as such, and the error names the provider.
"""

from __future__ import annotations

import functools
import getpass
import importlib.util
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tasks.errors import RegistryError, SettingsError
from tasks.reference import Registry
from tasks.registry import aws_login
from tasks.registry.aws_login import CONFIG, GIVEN, METHODS, Login, NoTerminalError
from tasks.registry.message import proxy
from tasks.system.parallel import locked_property
from tasks.system.secrets import keep, keep_variables
from tasks.system.text import shown_url

ATTEMPTS = 6
"""How often a call is tried while AWS throttles it or does not answer; botocore waits in between."""

CONNECTIONS = 20
"""How many calls may run at once: one for each of Sleeper's images."""

_ACCESS_KEY, _SECRET_KEY = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"  # Names of variables.
_TOKENS = ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_SECRET_KEYS = ("aws_secret_access_key", "aws_session_token", "aws_security_token")
_SECRET_HEADERS = ("Authorization", "X-Amz-Security-Token", "x-amz-sso_bearer_token")


class AwsClient:
    """Makes one client, and checks its login before each use. Threads may share it.

    Args:
        region: the Region; by default the one that botocore finds.
        environment: the variables with AWS's endpoint and login; by default those of this process.
    """

    def __init__(self, region: str | None, environment: Mapping[str, str] | None) -> None:
        self._environment = os.environ if environment is None else environment
        # The other AWS SDKs read AWS_REGION; botocore reads only AWS_DEFAULT_REGION.
        self._region = region or self._environment.get("AWS_REGION")
        self._asked = ""

    def logged_in(self) -> Any:
        """Return the client, with a login that has not expired.

        Raises:
            CredentialsError: no login was found, or it cannot be used.
            RegistryError: the configuration of AWS's endpoint, Region or proxy is not usable.
        """
        if not _is_loopback(self._endpoint):
            proxy(os.environ, "https")  # botocore would show a malformed one, with its password.
        self._check_login()
        return self._client

    @property
    def _endpoint(self) -> str | None:
        return self._environment.get("AWS_ENDPOINT_URL_ECR") or self._environment.get("AWS_ENDPOINT_URL") or None

    @locked_property
    def _session(self) -> Any:
        import botocore.session  # noqa: PLC0415  # Slow: only what asks AWS pays.

        session = botocore.session.get_session()
        chosen = session.get_component("config_store")
        # botocore reads os.environ in many places; these choose the account.
        profile = self._environment.get("AWS_PROFILE") or self._environment.get("AWS_DEFAULT_PROFILE")
        chosen.set_config_variable("profile", profile or None)
        for variable, name in (("AWS_CONFIG_FILE", "config_file"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials_file")):
            if variable in self._environment:
                chosen.set_config_variable(name, self._environment[variable])
        region = self._region or self._environment.get("AWS_DEFAULT_REGION")
        if region:
            chosen.set_config_variable("region", region)
        session.register("before-send", _keep_login)
        return session

    @locked_property
    def _chain(self) -> Any:
        """The chain of providers. Each notes when it is asked, and asks for an MFA code only at a terminal."""
        chain = self._session.get_component("credential_provider")
        for provider in chain.providers:
            if hasattr(provider, "_prompter"):
                provider._prompter = _ask_for_code  # noqa: SLF001  # botocore has no other way to set it.
        chain.providers = [_Noted(provider, self._note) for provider in chain.providers]
        return chain

    def _check_login(self) -> None:
        try:
            credentials = self._credentials
            frozen = None if credentials is None else credentials.get_frozen_credentials()
        except Exception as fault:  # noqa: BLE001  # Whatever a provider raises, the login cannot be used.
            raise aws_login.unusable(self._login(), fault) from None
        if frozen is None:
            raise aws_login.missing(self._login())
        values = {"access_key": frozen.access_key, "secret_key": frozen.secret_key, "token": frozen.token}
        keep(*(value for value in values.values() if value))
        name = aws_login.unsendable(values)
        if name:
            raise aws_login.not_sendable(self._login(), name)

    @locked_property
    def _credentials(self) -> Any:
        """The credentials of the first provider that has any; None if none has."""
        self._note(CONFIG)
        session = self._session
        keys = [self._environment.get(name, "") for name in (_ACCESS_KEY, _SECRET_KEY)]
        if any(keys):
            self._note(GIVEN)
            if not all(keys):
                raise ValueError(_ACCESS_KEY, _SECRET_KEY)
            token = next((self._environment[name] for name in _TOKENS if self._environment.get(name)), None)
            session.set_credentials(*keys, token)
        else:
            _ = self._chain
        found = session.get_credentials()
        if found is not None and found.method in METHODS:
            # The provider that found it makes the remaining requests.
            self._note(found.method)
        return found

    def _note(self, method: str) -> None:
        self._asked = method

    def _login(self) -> Login:
        """Return what is known of the login, for an error, as far as the configuration can be read."""
        try:
            session = self._session
            names = {name: session.get_config_variable(name) for name in ("profile", "config_file", "credentials_file")}
        except Exception:  # noqa: BLE001  # The error is about this.
            names = {}
        try:
            profiles = self._session.full_config.get("profiles", {})
        except Exception:  # noqa: BLE001  # As above.
            profiles = {}
        for profile in profiles.values():
            keep(*(str(profile[name]) for name in _SECRET_KEYS if name in profile))
        return Login(
            method=self._asked,
            profile=names.get("profile") or "default",
            config_file=names.get("config_file") or "~/.aws/config",
            credentials_file=names.get("credentials_file") or "~/.aws/credentials",
            profiles=profiles,
            environment=self._environment,
        )

    @locked_property
    def _client(self) -> Any:
        import boto3.session  # noqa: PLC0415  # Slow: only what asks AWS pays.
        from botocore.config import Config  # noqa: PLC0415  # As above.

        endpoint = self._endpoint
        config = Config(
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            connect_timeout=5,
            read_timeout=20,
            max_pool_connections=CONNECTIONS,
            # No proxy for loopback; None lets boto3 decide.
            proxies={} if _is_loopback(endpoint) else None,
        )
        session = boto3.session.Session(botocore_session=self._session)
        try:
            client = session.client("ecr", config=config, endpoint_url=endpoint)
        except Exception as fault:  # noqa: BLE001  # Only configuration can fail here.
            raise aws_login.misconfigured(self._login(), fault) from None
        url = client.meta.endpoint_url
        # A profile may name one too.
        if urlsplit(url).scheme != "https" and not _is_loopback(url):
            raise RegistryError(
                f"AWS's endpoint {shown_url(url)} is not https, and anybody on the network could read its tokens",
                "set AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_ECR or endpoint_url of the AWS profile to an https URL",
            )
        return client


class _Noted:
    """A provider of botocore's chain that notes when it is asked."""

    def __init__(self, provider: Any, note: Any) -> None:
        self._provider, self._note = provider, note
        self.METHOD = provider.METHOD

    def load(self) -> Any:
        """Return the provider's credentials."""
        self._note(self.METHOD)
        return self._provider.load()


def _ask_for_code(prompt: str) -> str:
    """Ask for the code of an MFA device, if there is a terminal; standard input may be something else."""
    try:
        with open("/dev/tty", "rb"):  # noqa: PTH123  # A device, which opens only if there is a terminal.
            pass
    except OSError:
        raise NoTerminalError from None
    return getpass.getpass(prompt)


def _keep_login(request: Any, **_: object) -> None:
    """Register the login of a request as a secret, so that no message quotes it from an answer."""
    for name in _SECRET_HEADERS:
        value = request.headers.get(name)
        keep(value.decode(errors="replace") if isinstance(value, bytes) else str(value or ""))
    body = request.body
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    if text.startswith("Action="):  # STS gets forms; that of AssumeRoleWithWebIdentity holds the token.
        keep_variables(dict(parse_qsl(text)))


def _is_loopback(url: str | None) -> bool:
    try:
        return url is not None and Registry(urlsplit(url).netloc).loopback
    except (ValueError, SettingsError):
        return False


# Partitions


def dns_suffix(region: str) -> str:
    """Return what the hosts of a Region end in (`amazonaws.com`); for an unknown Region that of `aws`, as in botocore.

    From a data file of botocore's, because importing botocore takes a hundred times as long.
    """
    found = _partitions()
    known = [one for one in found if region in one["regions"]]
    similar = [one for one in found if re.match(one["regionRegex"], region)]
    usual = [one for one in found if one["id"] == "aws"]
    partition = (known or similar or usual)[0]
    return str(partition["outputs"]["dnsSuffix"])


@functools.cache
def _partitions() -> tuple[Mapping[str, Any], ...]:
    spec = importlib.util.find_spec("botocore")
    assert spec is not None and spec.submodule_search_locations  # noqa: S101, PT018  # A locked dependency.
    place = Path(spec.submodule_search_locations[0]) / "data" / "partitions.json"
    return tuple(json.loads(place.read_text(encoding="utf-8"))["partitions"])
