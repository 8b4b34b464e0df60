"""Which cluster is talked to, and with whose credentials."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from kwatt.cluster.access import load_access, proxy_of
from kwatt.errors import InvalidInput

POD_ENV = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def kubeconfig(path: Path, name: str, user: dict) -> Path:
    content = {
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.example:6443"}}],
        "users": [{"name": name, "user": user}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture
def one(tmp_path) -> Path:
    return kubeconfig(tmp_path / "one", "one", {"token": "secret"})


@pytest.fixture
def account(tmp_path) -> Path:
    folder = tmp_path / "account"
    folder.mkdir()
    (folder / "token").write_text("projected")
    (folder / "ca.crt").write_text("a certificate")
    return folder


async def test_a_pod_uses_its_service_account(account):
    access = await load_access(env=POD_ENV, account=account)

    assert access.host == "https://10.0.0.1:443"
    assert await access.get_api_key_with_prefix("BearerToken") == "bearer projected"
    assert access.refresh_api_key_hook is not None


async def test_a_kubeconfig_that_was_named_wins_over_the_pod(one, account):
    access = await load_access(env={**POD_ENV, "KUBECONFIG": str(one)}, account=account)

    assert access.host == "https://one.example:6443"
    assert access.api_key == {"BearerToken": "Bearer secret"}


async def test_a_context_is_looked_up_in_all_files(one, tmp_path):
    two = kubeconfig(tmp_path / "two", "two", {"token": "other"})

    access = await load_access("two", env={"KUBECONFIG": f"{one}:{two}"})

    assert access.host == "https://two.example:6443"


async def test_a_credential_plugin_is_run_again_when_its_token_expires(tmp_path):
    soon = (datetime.now(UTC) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    counter, plugin = tmp_path / "counter", tmp_path / "plugin.py"
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    plugin.write_text(
        "import json, pathlib\n"
        f"path = pathlib.Path({str(counter)!r})\n"
        "runs = len(path.read_text()) + 1 if path.exists() else 1\n"
        "path.write_text('x' * runs)\n"
        f"status = {{'token': f'token-{{runs}}', 'expirationTimestamp': {soon!r}}}\n"
        f"print(json.dumps({{**{json.dumps(credential)}, 'status': status}}))\n"
    )
    command = {
        "apiVersion": credential["apiVersion"],
        "command": sys.executable,
        "args": [str(plugin)],
    }
    path = kubeconfig(tmp_path / "exec", "exec", {"exec": command})
    access = await load_access(env={"KUBECONFIG": str(path)})

    renewed = await access.get_api_key_with_prefix("BearerToken")

    assert renewed == "Bearer token-2"


@pytest.mark.parametrize("content", ["", "{", "[]", "current-context: none\n"])
async def test_an_unusable_kubeconfig_is_an_error_of_the_user(tmp_path, content):
    path = tmp_path / "bad"
    path.write_text(content)

    with pytest.raises(InvalidInput, match="kubeconfig"):
        await load_access(env={"KUBECONFIG": str(path)})


async def test_an_unknown_context_is_an_error_of_the_user(one):
    with pytest.raises(InvalidInput, match="nowhere"):
        await load_access("nowhere", env={"KUBECONFIG": str(one)})


async def test_no_kubeconfig_at_all_is_an_error_of_the_user():
    with pytest.raises(InvalidInput, match="no such file"):
        await load_access(env={"KUBECONFIG": "/does/not/exist"})


async def test_a_pod_without_a_token_is_an_error_of_the_user(tmp_path):
    with pytest.raises(InvalidInput, match="token"):
        await load_access(env=POD_ENV, account=tmp_path)


async def test_neither_environment_nor_netrc_is_read_again_for_each_request(one):
    env = {"KUBECONFIG": str(one), "HTTPS_PROXY": "http://proxy.example:3128"}

    access = await load_access(env=env)

    assert access.proxy == "http://proxy.example:3128"
    assert access.client_session_kwargs == {"trust_env": False}


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, None),
        ({"https_proxy": "http://low:1", "HTTPS_PROXY": "http://up:1"}, "http://low:1"),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.1"}, None),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": "other.example,*"}, "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1", "no_proxy": "*"}, None),
    ],
)
def test_a_proxy_of_the_environment_is_used_unless_the_address_is_excepted(env, expected):
    assert proxy_of("https://10.0.0.1:443", env) == expected
