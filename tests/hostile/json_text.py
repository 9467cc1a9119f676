"""Lies in JSON."""

from socket import socket

from harness.scenario import Mode
from tests.hostile.behaviour import DONE, chunk, events, lie, message, plain


def _deep(levels: int) -> str:
    return "[" * levels + "1" + "]" * levels


@lie(fails=["http.json"])
def nests_ten_thousand_deep(connection: socket, _: bytes) -> None:
    plain(connection, message('"Hi"', extra=_deep(10_000)))


@lie(fails=["http.json"])
def nests_three_hundred_deep_in_its_content(connection: socket, _: bytes) -> None:
    plain(connection, message(_deep(300)))


@lie(fails=["http.json"])
def nests_objects_deep(connection: socket, _: bytes) -> None:
    plain(connection, message('"Hi"', extra='{"a":' * 5_000 + "1" + "}" * 5_000))


@lie(fails=["http.json"])
def opens_brackets_and_closes_none(connection: socket, _: bytes) -> None:
    plain(connection, b"[" * 100_000)


@lie()
def nests_deep_in_the_arguments_of_a_call(connection: socket, _: bytes) -> None:
    call = f'{{"id":"1","type":"function","function":{{"name":"f","arguments":"{_deep(5_000)}"}}}}'
    choice = (
        '[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[%s]},'
        '"finish_reason":"tool_calls"}]'
    )
    plain(connection, message("null", choices=choice % call))


@lie(mode=Mode.STREAM, fails=["stream.json-payloads"])
def nests_ten_thousand_deep_in_a_chunk(connection: socket, _: bytes) -> None:
    events(connection, chunk('{"content":"Hi"}', extra=_deep(10_000)), chunk("{}", '"stop"'), DONE)


@lie(mode=Mode.STREAM, fails=["stream.json-payloads"])
def nests_three_hundred_deep_in_a_delta(connection: socket, _: bytes) -> None:
    events(connection, chunk(f'{{"content":{_deep(300)}}}'), chunk("{}", '"stop"'), DONE)


@lie(fails=["http.json"])
def says_nan(connection: socket, _: bytes) -> None:
    plain(
        connection, message('"Hi"', usage='{"prompt_tokens":NaN,"completion_tokens":NaN,"total_tokens":NaN}')
    )


@lie(fails=["http.json"])
def says_infinity(connection: socket, _: bytes) -> None:
    plain(connection, message('"Hi"', created="-Infinity"))


@lie(fails=["http.json-integers"])
def counts_tokens_beyond_64_bits(connection: socket, _: bytes) -> None:
    many = 10**30
    usage = f'{{"prompt_tokens":{many},"completion_tokens":{many},"total_tokens":{2 * many}}}'
    plain(connection, message('"Hi"', usage=usage))


@lie(fails=["http.json-integers"])
def was_created_beyond_64_bits(connection: socket, _: bytes) -> None:
    plain(connection, message('"Hi"', created=str(2**64)))


@lie(mode=Mode.STREAM, fails=["http.json-integers"])
def has_an_index_beyond_64_bits(connection: socket, _: bytes) -> None:
    choices = f'[{{"index":{2**70},"delta":{{"content":"Hi"}},"finish_reason":"stop"}}]'
    events(connection, chunk("{}", choices=choices), DONE)


@lie(fails=["http.json"])
def has_a_number_of_five_thousand_digits(connection: socket, _: bytes) -> None:
    plain(connection, message('"Hi"', created="1" * 5_000))


@lie(fails=["http.json"])
def has_a_number_beyond_doubles(connection: socket, _: bytes) -> None:
    plain(connection, message('"Hi"', created="1e999"))


@lie(fails=["http.unique-keys"])
def repeats_its_keys(connection: socket, _: bytes) -> None:
    plain(connection, b'{"id":"1","id":"2",' + message('"Hi"')[1:])


@lie()
def has_twenty_thousand_keys(connection: socket, _: bytes) -> None:
    plain(connection, message('"Hi"', **{f"k{number}": "1" for number in range(20_000)}))


@lie(fails=["http.unique-keys"])
def repeats_a_key_twenty_thousand_times(connection: socket, _: bytes) -> None:
    plain(connection, b"{" + b'"k":1,' * 20_000 + message('"Hi"')[1:])


@lie()
def has_a_key_of_a_hundred_thousand_characters(connection: socket, _: bytes) -> None:
    plain(connection, message('"Hi"', **{"k" * 100_000: "1"}))


@lie(fails=["http.json"])
def ends_with_a_comma(connection: socket, _: bytes) -> None:
    plain(connection, message('"Hi"')[:-1] + b",}")


@lie(fails=["http.json"])
def ends_in_the_middle(connection: socket, _: bytes) -> None:
    plain(connection, message('"Hi"')[:90])


@lie(fails=["http.json"])
def says_null(connection: socket, _: bytes) -> None:
    plain(connection, b"null")


@lie(fails=["http.json"])
def says_an_array(connection: socket, _: bytes) -> None:
    plain(connection, b"[" + message('"Hi"') + b"]")


@lie()
def says_arrays_for_everything(connection: socket, _: bytes) -> None:
    members = dict.fromkeys(("id", "object", "created", "model", "choices", "usage"), "[[]]")
    plain(connection, message('"Hi"', **members))


@lie()
def says_objects_for_texts(connection: socket, _: bytes) -> None:
    choice = (
        '[{"index":{},"message":{"role":{},"content":{"a":[1]},"tool_calls":{"b":2}},"finish_reason":{}}]'
    )
    plain(connection, message('"Hi"', choices=choice, id="{}", model="{}"))


@lie()
def says_true_for_numbers(connection: socket, _: bytes) -> None:
    usage = '{"prompt_tokens":true,"completion_tokens":"4","total_tokens":-7.5}'
    plain(connection, message('"Hi"', created="true", usage=usage))


@lie(fails=["http.json"])
def begins_with_a_byte_order_mark(connection: socket, _: bytes) -> None:
    plain(connection, b"\xef\xbb\xbf" + message('"Hi"'))


@lie(fails=["http.json"])
def speaks_utf_16(connection: socket, _: bytes) -> None:
    plain(connection, message('"Hi"').decode().encode("utf-16"))


@lie(fails=["http.json"])
def has_a_nul_in_a_string(connection: socket, _: bytes) -> None:
    plain(connection, message('"a\0b"'))


@lie()
def has_the_word_that_a_log_uses_for_nan(connection: socket, _: bytes) -> None:
    """What the log writes for a number that JSON has no word for, as an endpoint could say it."""
    plain(connection, message('{"likewise/value":"nan"}', extra='{"likewise/value":{"a":1}}'))
