from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iconotext.core.errors import DataError
from iconotext.data.words import SPECIAL, TokenTable, Words

TEXTS = ["a red car and a dog", "two dogs in the water", "草地上有三只猫", "an unhappiness of cars"] * 3


@pytest.fixture(scope="module")
def words() -> Words:
    return Words.train(TEXTS, 200)


def test_specials_come_first_and_random_words_are_never_special(words: Words) -> None:
    assert [words.token(i) for i in range(5)] == list(SPECIAL)
    assert words.vocab.first == 5
    assert words.vocab.mask == 4


def test_the_same_texts_give_the_same_vocabulary(words: Words) -> None:
    assert Words.train(TEXTS, 200).tokenizer.to_str() == words.tokenizer.to_str()


def test_pieces_of_a_word_share_its_number_and_chinese_is_cut_by_character(words: Words) -> None:
    few = Words.train(TEXTS, 40)
    table = few.encode(["car unhappiness", "三只猫"])
    first = table.word[: table.offsets[1]]
    assert set(first.tolist()) == {0, 1}
    assert (np.diff(first) >= 0).all()
    assert len(first) > 2
    assert table.word[table.offsets[1] :].tolist() == [0, 1, 2]


def test_a_mask_in_a_text_is_the_mask_token_and_an_unknown_word_is_unknown(words: Words) -> None:
    table = words.encode(["a [MASK] car", "zq"])
    assert words.vocab.mask in table.ids[: table.offsets[1]]
    assert words.vocab.unknown in table.ids[table.offsets[1] :]


def test_rows_may_repeat_and_be_empty() -> None:
    table = TokenTable(np.arange(6, dtype=np.int32), np.arange(6, dtype=np.int32), np.array([0, 2, 2, 6]))
    chosen = table.rows(np.array([2, 0, 1, 2]))
    assert chosen.ids.tolist() == [2, 3, 4, 5, 0, 1, 2, 3, 4, 5]
    assert chosen.lengths.tolist() == [4, 2, 0, 4]
    joined = TokenTable.joined([table, chosen])
    assert len(joined) == 7
    assert joined.rows(np.arange(3, 7)).ids.tolist() == chosen.ids.tolist()


def test_saved_and_loaded_it_is_the_same(words: Words, tmp_path: Path) -> None:
    words.save(tmp_path / "tokenizer.json")
    again = Words.load(tmp_path / "tokenizer.json")
    assert again.encode(TEXTS).ids.tolist() == words.encode(TEXTS).ids.tolist()
    assert again.vocab == words.vocab


def test_a_bert_vocabulary_is_read_as_it_is(tmp_path: Path) -> None:
    names = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "car", "##s"]
    (tmp_path / "vocab.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    words = Words.load(tmp_path / "vocab.txt")
    assert words.encode(["The cars"]).ids.tolist() == [6, 7, 8]
    assert words.vocab.first == 0  # special ids are not the first ones: as BERT, any id may stand in for a word


@pytest.mark.parametrize("content", [None, "{}", "[PAD]"])
def test_what_is_no_tokenizer_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / ("vocab.txt" if content == "[PAD]" else "tokenizer.json")
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=path.name if content != "[PAD]" else "has no token"):
        Words.load(path)
