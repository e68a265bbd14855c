from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

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


def test_texts_beside_each_other_share_the_room() -> None:
    def table(lengths: list[int], first: int) -> TokenTable:
        ids = np.concatenate([np.arange(n) + first + 100 * row for row, n in enumerate(lengths)]).astype(np.int32)
        word = np.concatenate([np.arange(n) // 2 for n in lengths]).astype(np.int32)
        return TokenTable(ids, word, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    one, other = [0, 2, 9, 1, 9, 8], [3, 0, 9, 9, 2, 1]
    found = table(one, 10).beside(table(other, 50), separator=3, most=8)
    assert found.lengths.tolist() == [4, 3, 8, 8, 8, 8]
    kept = [(0, 3), (2, 0), (4, 3), (1, 6), (5, 2), (6, 1)]
    for row, (mine, theirs) in enumerate(kept):
        ids, word = (part[found.offsets[row] : found.offsets[row + 1]].tolist() for part in (found.ids, found.word))
        expected = [*(10 + 100 * row + i for i in range(mine)), 3, *(50 + 100 * row + i for i in range(theirs))]
        assert ids == expected
        assert word[:mine] == [i // 2 for i in range(mine)]
        assert not {*word[:mine], word[mine]} & set(word[mine + 1 :])
        assert word[mine] not in word[:mine]
        assert [n - mine - 1 for n in word[mine + 1 :]] == [i // 2 for i in range(theirs)]


def letters(text: str) -> list[str]:
    """A segmenter that knows two words."""
    return re.findall("草地|三只|.", text)


def test_a_segmenter_says_what_the_words_are(words: Words) -> None:
    cut = Words(words.tokenizer, letters)
    table = cut.encode(["草地上有三只猫", "", "car"])
    assert table.word[: table.offsets[1]].tolist() == [0, 0, 1, 2, 3, 3, 4]
    assert table.ids.tolist() == words.encode(["草地上有三只猫", "", "car"]).ids.tolist()


def test_white_space_may_be_left_out_but_nothing_added(words: Words) -> None:
    table = Words(words.tokenizer, str.split).encode(["a red  car"])
    assert table.word.tolist() == words.encode(["a red car"]).word.tolist()
    with pytest.raises(DataError, match="'CAR'"):
        Words(words.tokenizer, lambda text: [text.upper()]).encode(["car"])


def test_a_tokenizer_that_pads_and_cuts_does_neither_here(words: Words) -> None:
    tokenizer = Tokenizer.from_str(words.tokenizer.to_str())
    tokenizer.enable_padding(length=20)
    tokenizer.enable_truncation(2)
    assert Words(tokenizer).encode(TEXTS).ids.tolist() == words.encode(TEXTS).ids.tolist()


def test_the_special_tokens_of_roberta(tmp_path: Path) -> None:
    vocabulary = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 4, "\u0120": 5, "c": 6, "<mask>": 7}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    words = Words.load(tmp_path / "tokenizer.json")
    assert (words.vocab.begin, words.vocab.pad, words.vocab.separator, words.vocab.mask) == (0, 1, 2, 7)
    table = words.encode(["aa ca[MASK]"])
    assert table.ids.tolist() == [4, 4, 5, 6, 4, 7]
    assert table.word[:5].tolist() == [0, 0, 1, 1, 1]


def test_the_last_token_of_a_span(words: Words) -> None:
    text = "a red car beside Nothingknown dogs"
    spans = [(0, 9), (2, 5), (6, 29), (0, len(text))]
    (last,) = words.ends([text], [spans])
    table = words.encode([text])
    assert table.word[last].tolist() == [2, 1, 4, 5]
    assert all(end + 1 == len(table.ids) or table.word[end + 1] > table.word[end] for end in last)
    (chinese,) = words.ends(["草地上有三只猫"], [[(0, 2), (4, 7)]])
    assert chinese.tolist() == [1, 6]
    blank, nothing = words.ends(["  car", ""], [[(0, 1), (0, 5)], []])
    assert blank.tolist() == [-1, len(words.encode(["car"]).ids) - 1]
    assert nothing.tolist() == []
