"""The list of models, and one model by its name."""

from collections import Counter

from harness.evidence import NotJudgedError, Object, Observation, joined, shown
from harness.evidence.grounds import OF_A_USER
from harness.evidence.models import ModelList, RetrievedModel
from harness.evidence.runs import WholeRun
from harness.rule import Level, Violation, Violations, rule, shape
from harness.scenario import Ask
from harness.schemas import violations
from harness.wire.exchange import Json

_LIST = "OpenAI API reference, models/list"
_RETRIEVE = "OpenAI API reference, models/retrieve"


def _schema(kind: str, body: Json, level: Level) -> Violations:
    for found in violations(kind, body, level):
        if found.level == level:
            yield Violation(found.received, found.expected, found.pointer)


@rule(
    "models.schema-must",
    level="must",
    source=f"{_LIST}; the required fields of the openai SDK's types",
    breaks="The SDK's page has no data: `models.list()` is empty, or raises.",
    answers=("mo-object-missing", "mo-id-key-name", "mo-owned-by-type"),
    upholds=shape,
)
def a_list_has_what_clients_need(models: ModelList) -> Violations:
    """The list of models has every field that clients need, in the right type."""
    yield from _schema("model_list", models.body, "must")


@rule(
    "models.schema-spec",
    level="spec",
    source=f"{_LIST}; openai/openai-openapi ListModelsResponse, Model",
    breaks="Clients with strict types refuse the list.",
    answers=("mo-owned-by-type",),
    upholds=shape,
)
def a_list_is_as_openai_documents_it(models: ModelList) -> Violations:
    """The list of models has the fields and types that OpenAI documents."""
    yield from _schema("model_list", models.body, "spec")


@rule(
    "models.not-empty",
    level="spec",
    source=_LIST,
    breaks="Programs that offer the models for choice offer none.",
)
def a_list_names_a_model(models: ModelList) -> Violations:
    """The list of models names at least one."""
    if models.body.get("data") == []:
        yield Violation(received="[]", expected="at least one model", pointer="/data")


@rule(
    "models.ids-named",
    level="must",
    source=f"{_LIST}: id; abdulmominsakib/localmind#11",
    breaks="Programs that offer the models for choice show blanks, and ask for a model without a name.",
    answers=("mo-id-key-name",),
)
def every_model_has_a_name(models: ModelList) -> Violations:
    """No model's id is empty."""
    for pointer, model in models.models:
        model_id = model.get("id")
        if isinstance(model_id, str) and not model_id.strip():
            yield Violation(received=shown(model_id), expected="a name", pointer=f"{pointer}/id")


@rule(
    "models.ids-unique",
    level="spec",
    source=f"{_LIST}: id, which the model is asked for by",
    breaks="Programs that key models by their id lose one; choice lists show it twice.",
    answers=("mo-id-key-name",),
)
def every_model_is_listed_once(models: ModelList) -> Violations:
    """No two models of the list have the same id."""
    times = Counter(model_id for _, model in models.models if isinstance(model_id := model.get("id"), str))
    repeated = [model_id for model_id, count in times.items() if count > 1]
    if repeated:
        yield Violation(received=f"twice: {joined(repeated[:3])}", expected="each id once", pointer="/data")


@rule(
    "models.one-page",
    level="spec",
    source=f"{_LIST}: one page; openai SDK: SyncPage, which has no next one",
    breaks="The SDK shows the first page and never asks for more.",
)
def the_list_is_whole(models: ModelList) -> Violations:
    """The list of models comes on one page."""
    if models.body.get("has_more") is True:
        yield Violation(received="true", expected="the whole list", pointer="/has_more")


@rule(
    "models.client-ids",
    level="must",
    source="openai SDK: models.list",
    breaks="The user sees other models than there are.",
    rests_on=OF_A_USER,
)
def the_user_gets_the_models_of_the_wire(models: ModelList) -> Violations:
    """The model ids that the client's user gets are those on the wire."""
    reply = models.observation.reply
    wire = [model.get("id") for _, model in models.models]
    if reply.raised is None and reply.data != wire:
        yield Violation(
            received=f"{shown(reply.data)} at the user", expected=f"{shown(wire)}, as on the wire"
        )


@rule(
    "models.retrieved-schema-must",
    level="must",
    source=f"{_RETRIEVE}; the required fields of the openai SDK's types",
    breaks="`models.retrieve().id` is None.",
    answers=("mo-retrieve-404", "mo-owned-by-type"),
    upholds=shape,
)
def a_model_has_what_clients_need(model: RetrievedModel) -> Violations:
    """A retrieved model has every field that clients need, in the right type, with no envelope around it."""
    yield from _schema("model", model.body, "must")


@rule(
    "models.retrieved-schema-spec",
    level="spec",
    source=f"{_RETRIEVE}; openai/openai-openapi Model",
    breaks="Clients with strict types refuse the model.",
    upholds=shape,
)
def a_model_is_as_openai_documents_it(model: RetrievedModel) -> Violations:
    """A retrieved model has the fields and types that OpenAI documents."""
    yield from _schema("model", model.body, "spec")


@rule(
    "models.retrieved-id",
    level="must",
    source=f"{_RETRIEVE}; intrafind/ihub-apps#346",
    breaks="The caller learns about another model than it asked for.",
    answers=("mo-retrieve-404", "bm-wrong-model"),
)
def the_model_retrieved_is_the_one_asked_for(model: RetrievedModel) -> Violations:
    """A retrieved model is the one that was asked for."""
    model_id = model.body.get("id")
    if isinstance(model_id, str) and model_id != model.asked_id:
        yield Violation(received=shown(model_id), expected=shown(model.asked_id), pointer="/id")


def _listed(run: WholeRun) -> dict[str, Object]:
    for seen in run.observations:
        if ModelList.applies(seen.scenario):
            return {str(model.get("id")): model for _, model in ModelList.of(seen).models}
    raise NotJudgedError("the list of models was not asked for")


@rule(
    "models.retrieved-as-listed",
    level="spec",
    source=f"{_RETRIEVE}; {_LIST}: the same object",
    breaks="Programs that cache the list show other facts than those that ask.",
    answers=("mo-retrieve-404",),
)
def a_model_retrieved_is_the_model_listed(run: WholeRun) -> Violations:
    """A retrieved model says of itself what the list says of it."""
    listed = _listed(run)
    for seen in run.observations:
        if not RetrievedModel.applies(seen.scenario):
            continue
        model = RetrievedModel.of(seen)
        entry = listed.get(str(model.body.get("id")), model.body)
        for key in ("object", "created", "owned_by"):
            said, wanted = model.body.get(key), entry.get(key)
            if said != wanted:
                yield Violation(
                    received=shown(said), expected=f"{shown(wanted)}, as listed", pointer=f"/{key}"
                )


@rule(
    "models.served-is-listed",
    level="recommended",
    source=f"{_LIST}: the currently available models; ddalcu/mlx-serve#257",
    breaks="Programs that offer the models for choice, or check a name beforehand, refuse one that works.",
    answers=("mo-listed-not-served",),
)
def a_model_that_answers_is_listed(run: WholeRun) -> Violations:
    """Every model that answered in this run is in the list of models."""
    listed = _listed(run)
    served = {str(seen.asked["model"]) for seen in run.observations if _is_served(seen)}
    missing = sorted(served - listed.keys())
    if missing:
        yield Violation(received=f"answers without {joined(missing)} in the list", expected="it listed")


def _is_served(seen: Observation) -> bool:
    response = seen.exchange.response
    return (
        response is not None
        and response.status == 200
        and isinstance(seen.scenario.ask, Ask)
        and seen.scenario.is_answered
        and isinstance(seen.asked.get("model"), str)
    )
