"""The texts beside weights that let Hugging Face and sentence-transformers load a folder."""

import pathlib

from iclr22 import checkpoint, errors
from iclr22.nn.wordpiece import CLS, LONGEST_WORD, MASK, PAD, SEP, UNKNOWN

POOLINGS = ("cls", "mean")
NAMES = {
    "pad_token": PAD,
    "unk_token": UNKNOWN,
    "cls_token": CLS,
    "sep_token": SEP,
    "mask_token": MASK,
}


def write_texts(
    folder, about: dict, vocabulary, *, outputs: int, pooling: str, tokens: int
) -> None:
    """Write all files of a model but its weights.

    Args:
      about: sizes by the names of Hugging Face.
      outputs: of its head; 0: a sentence encoder, which sentence-transformers pools.

    Raises:
      errors.InputError: an unknown pooling.
    """
    if pooling not in POOLINGS:
        raise errors.nearest(pooling, POOLINGS, "pooling")
    folder = pathlib.Path(folder)
    special = {name: x for name, x in NAMES.items() if x in vocabulary}
    written = {
        "config.json": _config(about, vocabulary, outputs),
        "tokenizer_config.json": {
            "tokenizer_class": "BertTokenizer",
            "do_lower_case": True,
            "tokenize_chinese_chars": True,
            "strip_accents": None,
            "model_max_length": tokens,
            **special,
        },
        "special_tokens_map.json": special,
        "tokenizer.json": _tokenizer(vocabulary, special),
    }
    if not outputs:
        written |= _sentence_files(about["hidden_size"], pooling, tokens)
    for name, x in written.items():
        checkpoint.write_json(folder / name, x)
    with checkpoint.atomic(folder / "vocab.txt") as temporary:
        temporary.write_text(
            "".join(f"{x}\n" for x in vocabulary), "utf-8", newline="\n"
        )


def _config(about, vocabulary, outputs) -> dict:
    kind = "BertForSequenceClassification" if outputs else "BertModel"
    found = {
        "model_type": "bert",
        "architectures": [kind],
        **about,
        "position_embedding_type": "absolute",
        "initializer_range": 0.02,
        "pad_token_id": list(vocabulary).index(PAD),
    }
    if outputs:
        found["id2label"] = {str(i): f"LABEL_{i}" for i in range(outputs)}
        found["label2id"] = {f"LABEL_{i}": i for i in range(outputs)}
    return found


def _sentence_files(width: int, pooling: str, tokens: int) -> dict[str, object]:
    """What sentence-transformers reads: which modules, how long, which pooling."""
    kind = "sentence_transformers.models."
    return {
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": f"{kind}Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": f"{kind}Pooling"},
        ],
        "sentence_bert_config.json": {"max_seq_length": tokens, "do_lower_case": False},
        "1_Pooling/config.json": {
            "word_embedding_dimension": width,
            "pooling_mode_cls_token": pooling == "cls",
            "pooling_mode_mean_tokens": pooling == "mean",
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        },
    }


def _tokenizer(vocabulary, special) -> dict:
    """`tokenizer.json` of the package `tokenizers`, which neither cuts nor pads."""
    number = {token: i for i, token in enumerate(vocabulary)}
    common = {
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
    }
    added = [
        {"id": number[x], "content": x, **common, "special": True}
        for x in special.values()
    ]

    def piece(name, segment):
        kind = "Sequence" if len(name) == 1 else "SpecialToken"
        return {kind: {"id": name, "type_id": segment}}

    single = [piece(CLS, 0), piece("A", 0), piece(SEP, 0)]
    ends = {x: {"id": x, "ids": [number[x]], "tokens": [x]} for x in (CLS, SEP)}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": sorted(added, key=lambda x: x["id"]),
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": [*single, piece("B", 1), piece(SEP, 1)],
            "special_tokens": ends,
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": UNKNOWN,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": LONGEST_WORD,
            "vocab": number,
        },
    }
