"""An ECR client of boto3's that is logged in: how AWS is reached, and which login is used. The only module with boto3.

Each way to log in (botocore's chain of credential providers) is tried before the client sends anything, so that what
goes wrong there is known by the provider that was asked, and is told as a fault of the login.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tasks.errors import RegistryError, SettingsError
from tasks.reference import Registry
from tasks.registry import aws_login
from tasks.registry.aws_providers import CONFIG, GIVEN, METHODS, Login, NoTerminalError
from tasks.registry.message import shown
from tasks.registry.proxy import proxy
from tasks.system.parallel import locked_property
from tasks.system.secrets import keep, keep_variables

ATTEMPTS = 6
"""How often a call is made at most while AWS throttles it or does not answer; botocore waits in between."""

CONNECTIONS = 20
"""How many calls may be under way at once: one for each of Sleeper's images."""

_ACCESS_KEY, _SECRET_KEY = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"  # Names of variables.
_TOKENS = ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
_SECRET_KEYS = ("aws_secret_access_key", "aws_session_token", "aws_security_token")
_SECRET_HEADERS = ("Authorization", "X-Amz-Security-Token", "x-amz-sso_bearer_token")


class AwsClient:
    """Makes a client, once, and sees before each use that its login can be used. Threads may share it.

    Args:
        region: the Region; botocore finds it where None or empty.
        environment: the variables that say how AWS is reached and logged in to; this process's own where None.
    """

    def __init__(self, region: str | None, environment: Mapping[str, str] | None) -> None:
        self._environment = os.environ if environment is None else environment
        # Every newer SDK of AWS's reads AWS_REGION; botocore knows AWS_DEFAULT_REGION only.
        self._region = region or self._environment.get("AWS_REGION")
        self._asked = ""

    def logged_in(self) -> Any:
        """Return the client, whose login is there and has not expired.

        Raises:
            CredentialsError: there is no login, or it cannot be used.
            RegistryError: AWS cannot be reached in the way that is configured.
        """
        if not _is_loopback(self._endpoint):
            proxy(os.environ, "https")  # botocore would show it, with its password.
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
        # botocore reads os.environ in many places; these are the ones that choose an account.
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
        """The chain of providers: each says when it is asked, and asks for a code only where there is a terminal."""
        chain = self._session.get_component("credential_provider")
        for provider in chain.providers:
            if hasattr(provider, "_prompter"):
                provider._prompter = _ask_for_code  # noqa: SLF001  # botocore has no other way to say who asks.
        chain.providers = [_Noted(provider, self._note) for provider in chain.providers]
        return chain

    def _check_login(self) -> None:
        try:
            credentials = self._credentials
            frozen = None if credentials is None else credentials.get_frozen_credentials()
        except Exception as fault:  # noqa: BLE001  # Whatever a provider raises, it is the login that cannot be used.
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
        """What the first provider has that has anything; None where none has."""
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
            # What it may still have to ask for is asked by the provider that found it.
            self._note(found.method)
        return found

    def _note(self, method: str) -> None:
        self._asked = method

    def _login(self) -> Login:
        """Return what is known of the login, for an error; a configuration that cannot be read says nothing."""
        try:
            session = self._session
            names = {name: session.get_config_variable(name) for name in ("profile", "config_file", "credentials_file")}
        except Exception:  # noqa: BLE001  # It is what the error is about.
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
            # Loopback has no proxy; None leaves it to boto3.
            proxies={} if _is_loopback(endpoint) else None,
        )
        session = boto3.session.Session(botocore_session=self._session)
        try:
            client = session.client("ecr", config=config, endpoint_url=endpoint)
        except Exception as fault:  # noqa: BLE001  # A client is made of configuration, and of nothing else.
            raise aws_login.misconfigured(self._login(), fault) from None
        url = client.meta.endpoint_url
        # A profile may name one, too.
        if urlsplit(url).scheme != "https" and not _is_loopback(url):
            raise RegistryError(
                f"AWS's endpoint {shown(url)} is not https, and the registry's token would be there for all to read",
                "give an https address in AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_ECR or the AWS profile's endpoint_url",
            )
        return client


class _Noted:
    """A provider of botocore's chain that says when it is asked."""

    def __init__(self, provider: Any, note: Any) -> None:
        self._provider, self._note = provider, note
        self.METHOD = provider.METHOD

    def load(self) -> Any:
        """Load what the provider loads."""
        self._note(self.METHOD)
        return self._provider.load()


def _ask_for_code(prompt: str) -> str:
    """Ask for the code of an MFA device, where there is a terminal; standard input may be anything."""
    try:
        with open("/dev/tty", "rb"):  # noqa: PTH123  # A device: opening it shows whether there is a terminal.
            pass
    except OSError:
        raise NoTerminalError from None
    return getpass.getpass(prompt)


def _keep_login(request: Any, **_: object) -> None:
    """Remember the login that a request carries, so that an answer that quotes it is not shown with it."""
    for name in _SECRET_HEADERS:
        value = request.headers.get(name)
        keep(value.decode(errors="replace") if isinstance(value, bytes) else str(value or ""))
    body = request.body
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    if text.startswith("Action="):  # STS takes forms (AssumeRoleWithWebIdentity has the token in it).
        keep_variables(dict(parse_qsl(text)))


def _is_loopback(url: str | None) -> bool:
    try:
        return url is not None and Registry(urlsplit(url).netloc).loopback
    except (ValueError, SettingsError):
        return False
