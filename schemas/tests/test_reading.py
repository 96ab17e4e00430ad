"""Documents from outside: whatever is wrong with one is a single line."""

import os

import msgpack
import pytest
from steelyard_schemas import (
    ContractError,
    Galaxy,
    parse,
    parse_json,
    read_bytes,
    read_json,
    read_model,
    read_msgpack,
    read_toml,
    validate,
)


def refused(words, function, *arguments, **keywords):
    with pytest.raises(ContractError, match=words) as error:
        function(*arguments, **keywords)
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"\xff\xfe{", "is not a text file"),
        (b"{", "syntax error"),
        (b"[]", "holds a list, expected a table of fields"),
        (b"3", "holds a int"),
        (b"1" * 5000, "syntax error"),  # more digits than Python turns into a number
    ],
)
def test_bad_json(tmp_path, text, words):
    (tmp_path / "a.json").write_bytes(text)
    refused(words, read_json, tmp_path / "a.json")
    refused(words, validate, tmp_path / "a.json")
    refused(f"{words}.*; use --restart$", read_json, tmp_path / "a.json", advice="use --restart")
    refused(f"^index: .*{words}", parse_json, text, where="index")


@pytest.mark.parametrize(
    ("text", "words"),
    [(b"a = " + b"[" * 100_000, "nested too deeply"), (b"a = \xff", "is not a text file"), (b"a = ", "syntax error")],
)
def test_bad_toml(tmp_path, text, words):
    (tmp_path / "a.toml").write_bytes(text)
    refused(words, read_toml, tmp_path / "a.toml")
    refused(words, read_model, tmp_path / "a.toml", Galaxy)


def test_only_regular_files_of_bounded_size_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")  # nobody will ever write to it
    for path in (tmp_path / "pipe.json", "/dev/zero", tmp_path):
        refused("not a regular file", read_json, path)
    refused("No such file", read_json, tmp_path / "none.json")
    (tmp_path / "a.json").write_bytes(b'{"a": 1}')
    assert read_bytes(tmp_path / "a.json", 8) == b'{"a": 1}'
    assert read_json(tmp_path / "a.json", limit=8) == {"a": 1}
    refused("longer than 7 bytes", read_json, tmp_path / "a.json", limit=7)
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(2**40)  # holes: it takes no room
    refused("longer than 67,108,864 bytes", read_json, tmp_path / "large.json")
    (tmp_path / "link.json").symlink_to(tmp_path / "a.json")
    assert read_json(tmp_path / "link.json") == {"a": 1}


def test_a_file_of_messages(tmp_path):
    path, messages = tmp_path / "plan", [[1, "a"], {"b": 2}]
    whole = b"".join(msgpack.packb(message) for message in messages)
    path.write_bytes(whole)
    assert list(read_msgpack(path)) == messages
    for damaged, words in (
        (whole[:-1], "is cut off"),
        (whole + b"\xc1", "is damaged"),
        (b"\x91" * 5000, "is damaged"),
    ):
        path.write_bytes(damaged)
        refused(f"{words}.*; plan again", lambda: list(read_msgpack(path, advice="plan again")))


@pytest.mark.parametrize("version", [["1", "1"], {"a": 1}, 1.0, None])
def test_a_version_of_another_type(make, version):
    fields = make.galaxy().model_dump(mode="json") | {"schema_version": version}
    refused("is unknown; this installation reads 1.3", parse, fields, where="g")


def test_a_kind_that_is_no_text():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    refused("kind is", parse, {"kind": deep}, where="g")
    while deep:  # else the interpreter frees it link by link, one call within the other
        deep = deep.pop()
