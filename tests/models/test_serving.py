"""Which model a server serves and which version it is, as servers say it: lists in any form, names and versions that can be shown."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("httpx", reason="httpx is not installed: pip install 'massjax[openai]'")

from massjax.errors import ModelError
from tests.models.serve import serving
from tests.models.test_server import PROMPTS, SECRET, client_of, failed, put


@pytest.mark.parametrize(
    "models",
    [
        [{"id": "small"}],
        ["small"],
        {"data": ["small"]},
        {"models": [{"name": "small"}]},
        {"object": "list", "data": [{"id": "small", "object": "model"}]},
    ],
)
def test_lists_of_models_in_the_forms_in_use(models: Any) -> None:
    for named in ("", "small"):
        with serving(models=models) as served:
            client = client_of(served, model=named)
            assert client.identity()["served_model"] == "small"
            client.close()


NO_LISTS = [
    None,
    {},
    {"object": "list", "data": None},
    {"data": {}},
    [None],
    [[]],
    [{}],
    "x",
    5,
    "not json",
    "",
    {"error": "no list here"},
    [1],
]


@pytest.mark.parametrize("models", NO_LISTS)
def test_a_list_of_models_that_is_none_is_told_unless_the_model_is_named(models: Any) -> None:
    document = json.dumps(models) if not isinstance(models, str) else models
    with serving(models=document) as served:
        client = client_of(served, model="mine")
        assert client.identity()["served_model"] == "mine"
        assert not failed(put(client, PROMPTS[:2]))
        client.close()
        with pytest.raises(ModelError, match=r"/models.*name the model as scoring.endpoint.model"):
            client_of(served)


@pytest.mark.parametrize("status", [403, 404, 405, 501])
def test_a_server_without_a_list_of_models(status: int) -> None:
    with serving(models={"error": {"message": "not found"}}, models_status=status) as served:
        client = client_of(served, model="mine")
        assert client.identity()["served_model"] == "mine"
        client.close()
        with pytest.raises(ModelError, match=rf"/models.*HTTP {status}: not found; name the model as scoring.endpoint.model"):
            client_of(served)


def test_a_wrong_key_is_told_at_the_list_of_models() -> None:
    with serving(models={"error": {"message": "bad key"}}, models_status=401) as served, pytest.raises(ModelError, match="key_variable"):
        client_of(served, model="mine")


@pytest.mark.parametrize("more", [{"has_more": True}, {"next": "/v1/models?page=2"}, {"nextPageToken": "x"}])
def test_a_list_in_pages_does_not_refuse_the_model_that_is_named(more: dict[str, Any]) -> None:
    with serving(models={"data": [{"id": "other"}], **more}) as served:
        client = client_of(served, model="mine")
        assert client.identity()["served_model"] == "mine"
        client.close()
        with pytest.raises(ModelError, match="serves 1 model and more: other; name one"):
            client_of(served)


@pytest.mark.parametrize("name", ["a\x1b[2Jb", "x" * 5000, "\u202eevil", " small ", f"model-{SECRET}"])
def test_a_name_that_cannot_be_shown_is_not_kept(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASSJAX_TEST_KEY", SECRET)
    with serving(models={"data": [{"id": name}]}) as served, pytest.raises(ModelError, match="names that cannot be shown") as caught:
        client_of(served, key_variable="MASSJAX_TEST_KEY")
    assert str(caught.value).isprintable()
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("version", "kept"), [("0.11.0", True), ("0.11.0rc1.dev3+gabc", True), ("0\x1b[2J", False), ("9" * 99, False), (7, False)]
)
def test_a_version_is_kept_where_it_is_one(version: Any, kept: bool) -> None:
    with serving(version=version) as served:
        client = client_of(served)
        assert client.identity()["version"] == (f"vllm {version}" if kept else "unknown: the server does not say its version")
        client.close()
