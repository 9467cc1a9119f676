import base64
import math
import struct

import pytest


def embed(openai, given, **params):
    answer = openai.post("/embeddings", {"model": openai.address.embedding_model, "input": given, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


def vectors(answer):
    return [item["embedding"] for item in answer["data"]]


def test_models_are_listed_and_can_be_looked_up_one_by_one(openai):
    listed = openai.http.get("/models").json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == [openai.address.model, openai.address.embedding_model]
    for model in listed["data"]:
        assert set(model) == {"id", "object", "created", "owned_by"}
        assert openai.http.get(f"/models/{model['id']}").json() == model


def test_an_unknown_model_cannot_be_looked_up(openai):
    answer = openai.http.get("/models/no/such")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"
    assert answer.json()["error"]["param"] == "model"


def test_an_embedding_is_a_unit_vector_that_depends_on_the_text_alone(openai):
    answer = embed(openai, ["one", "two", "one"])
    one, two, again = vectors(answer)
    assert one == again != two
    assert len(one) == 256
    assert math.isclose(sum(number**2 for number in one), 1, rel_tol=1e-5)
    assert [item["index"] for item in answer["data"]] == [0, 1, 2]
    assert answer["object"] == "list"
    assert {item["object"] for item in answer["data"]} == {"embedding"}
    assert answer["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


def test_base64_holds_the_same_numbers_in_single_precision(openai):
    (floats,), (packed,) = (
        vectors(embed(openai, "one")),
        vectors(embed(openai, "one", encoding_format="base64")),
    )
    assert list(struct.unpack("<256f", base64.b64decode(packed, validate=True))) == floats


@pytest.mark.parametrize("dimensions", [1, 64, 2048])
def test_a_vector_is_as_long_as_asked(openai, dimensions):
    (vector,) = vectors(embed(openai, "one", dimensions=dimensions))
    assert len(vector) == dimensions
    assert math.isclose(sum(number**2 for number in vector), 1, rel_tol=1e-5)


def test_fewer_dimensions_are_the_head_of_more(openai):
    (short,), (long,) = (
        vectors(embed(openai, "one", dimensions=8)),
        vectors(embed(openai, "one", dimensions=16)),
    )
    ratios = [a / b for a, b in zip(short, long, strict=False)]
    assert max(ratios) - min(ratios) < 1e-3


def test_token_ids_are_taken_one_text_or_many(openai):
    assert len(vectors(embed(openai, [1, 2, 3]))) == 1
    answer = embed(openai, [[1, 2, 3], [4]])
    assert len(vectors(answer)) == 2
    assert answer["usage"]["prompt_tokens"] == 4


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"input": ""}, "input", None),
        ({"input": []}, "input", "empty_array"),
        ({"input": [""]}, "input[0]", None),
        ({"input": ["a", 1]}, "input[1]", "invalid_type"),
        ({"input": 7}, "input", "invalid_type"),
        ({"input": ["a"] * 2049}, "input", "array_above_max_length"),
        ({"input": [[]]}, "input[0]", "empty_array"),
        ({"input": "word " * 9000}, "input", "context_length_exceeded"),
        ({"encoding_format": "xyz"}, "encoding_format", "invalid_value"),
        ({"dimensions": 0}, "dimensions", "integer_below_min_value"),
        ({"dimensions": 5000}, "dimensions", "integer_above_max_value"),
        ({"bogus": 1}, "bogus", "unknown_parameter"),
    ],
)
def test_wrong_embedding_requests_are_refused(openai, params, param, code):
    answer = openai.post("/embeddings", {"model": openai.address.embedding_model, "input": "a", **params})
    assert answer.status_code == 400
    assert (answer.json()["error"]["param"], answer.json()["error"]["code"]) == (param, code)


def test_a_chat_model_gives_no_embeddings(openai):
    answer = openai.post("/embeddings", {"model": openai.address.model, "input": "a"})
    assert answer.status_code == 404
