"""How to reach the cluster: a service account inside a pod, else a kubeconfig. Must not open a connection.

The order is that of kubectl: a context or $KUBECONFIG that somebody named wins, then the service
account of the pod, then ~/.kube/config.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it

import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, list_kube_config_contexts, load_kube_config
from kubernetes.aio.config.incluster_config import InClusterConfigLoader
from kubernetes.aio.config.kube_config import KubeConfigLoader

from kwatt.errors import InvalidInput

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_IN_POD: Final = "KUBERNETES_SERVICE_HOST"


async def load_access(
    context: str | None = None, env: Mapping[str, str] = os.environ, account: Path = ACCOUNT
) -> Configuration:
    """Return address and credentials of the cluster; credentials that expire renew themselves."""
    configuration = Configuration()
    try:
        if context is None and not env.get("KUBECONFIG") and env.get(_IN_POD):
            _load_account(configuration, env, account)
        else:
            await _load_kubeconfig(configuration, context, env)
    except (ConfigException, OSError, yaml.YAMLError, ValueError) as error:
        raise InvalidInput("kubeconfig", f"{error}") from error
    except (TypeError, AttributeError, KeyError) as error:  # the package does not check the shape
        raise InvalidInput("kubeconfig", f"is no kubeconfig: {error}") from error
    _settle_proxy(configuration, env)
    return configuration


def namespace_of(
    context: str | None = None, env: Mapping[str, str] = os.environ, account: Path = ACCOUNT
) -> str:
    """Return the namespace that commands mean when none is named: of the context, else `default`.

    Raises InvalidInput if the kubeconfig can't be read.
    """
    if context is None and not env.get("KUBECONFIG") and env.get(_IN_POD):
        return (account / "namespace").read_text(encoding="utf-8").strip() or "default"
    try:
        contexts, active = list_kube_config_contexts(_kubeconfigs(env))  # type: ignore[no-untyped-call]
    except (ConfigException, OSError, yaml.YAMLError, TypeError, KeyError) as error:
        raise InvalidInput("kubeconfig", f"{error}") from error
    chosen = [one for one in contexts if one["name"] == context] if context else [active]
    if not chosen:
        raise InvalidInput("kubeconfig", f"there is no context {context!r}")
    return str((chosen[0].get("context") or {}).get("namespace") or "default")


def _settle_proxy(configuration: Configuration, env: Mapping[str, str]) -> None:
    """Look for a proxy once: else environment and ~/.netrc are read before every single request."""
    configuration.proxy = configuration.proxy or proxy_of(str(configuration.host), env)
    configuration.client_session_kwargs = {"trust_env": False}


def proxy_of(host: str, env: Mapping[str, str]) -> str | None:
    """Return the proxy that an environment names for an address; lower-case names win, as in curl."""
    ordered = sorted(env.items(), key=lambda item: item[0].islower())
    proxies = {
        name.lower().removesuffix("_proxy"): value
        for name, value in ordered
        if name.lower().endswith("_proxy") and value
    }
    address = urlsplit(host)
    if proxy_bypass_environment(address.netloc, proxies):
        return None
    return proxies.get(address.scheme)


def _load_account(configuration: Configuration, env: Mapping[str, str], account: Path) -> None:
    # Not annotated upstream. It reads the token again every minute: projected tokens are replaced.
    loader = InClusterConfigLoader(str(account / "token"), str(account / "ca.crt"), environ=env)  # type: ignore[no-untyped-call]
    loader.load_and_set(configuration)  # type: ignore[no-untyped-call]


async def _load_kubeconfig(
    configuration: Configuration, context: str | None, env: Mapping[str, str]
) -> None:
    loader = await load_kube_config(  # type: ignore[no-untyped-call]  # not annotated upstream
        config_file=_kubeconfigs(env),
        context=context,
        client_configuration=configuration,
        persist_config=False,  # a plan must not rewrite the user's file
    )
    if hasattr(loader, "exec_plugin_expiry"):
        # Declared as None upstream; the package calls what is put here and awaits its answer.
        configuration.refresh_api_key_hook = _renewal(loader)  # type: ignore[assignment]


def _kubeconfigs(env: Mapping[str, str]) -> str:
    # The package itself reads $KUBECONFIG only once, when it is imported.
    files = env.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    if not any(Path(file).expanduser().is_file() for file in files.split(os.pathsep) if file):
        raise ConfigException(f"no such file: {files}; set KUBECONFIG to one that exists")
    return files


def _renewal(loader: KubeConfigLoader) -> Callable[[Configuration], Awaitable[None]]:
    """Return a hook that runs a credential plugin again when its token nears its expiry."""

    async def renew(configuration: Configuration) -> None:
        # Does nothing before the expiry and logs its own failures; not annotated upstream.
        await loader.load_from_exec_plugin()  # type: ignore[no-untyped-call]
        configuration.api_key["BearerToken"] = loader.token

    return renew
