"""A tiny random classifier of each model family with its own kind of tokenizer, written into a folder."""

from dataclasses import dataclass
from functools import partial

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AlbertConfig,
    AutoModelForSequenceClassification,
    BartConfig,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    GemmaConfig,
    GPT2Config,
    LlamaConfig,
    ModernBertConfig,
    MPNetConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2Tokenizer,
    RobertaConfig,
    T5Config,
    XLNetConfig,
)

WORDS = tuple("a broke burned by cat fell he her in ladder of oil on poured sat she steam the wall was".split())  # noqa: SIM905
SPECIAL = {"pad": 0, "unk": 1, "bos": 2, "eos": 3, "cls": 4, "sep": 5, "mask": 6}
VOCABULARY = {f"<{name}>": i for name, i in SPECIAL.items()} | {w: len(SPECIAL) + i for i, w in enumerate(WORDS)}
SIZES = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 64}
ROTARY = SIZES | {"num_key_value_heads": 1, "head_dim": 16}
BART = {"encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2}


@dataclass(frozen=True)
class Family:
    """What a family is made of.

    Attributes:
        config: class of the configuration.
        sizes: its options.
        template: special tokens around a text.
        padding_side: that the tokenizer says.
        limit: positions, or None.
        dropout: option that sets the rate directly before the last linear layer, or "" where there is none.
    """

    config: type
    sizes: dict
    template: str
    padding_side: str = "right"
    limit: int | None = None
    dropout: str = "classifier_dropout"


AROUND, BEFORE, AFTER = "<cls> $A <sep>", "<bos> $A", "$A <eos>"
FAMILIES = {
    "bert": Family(BertConfig, SIZES, AROUND, limit=512),
    "roberta": Family(RobertaConfig, SIZES, "<bos> $A <eos>", limit=511),  # the padding's row and those before it
    "distilbert": Family(
        DistilBertConfig, {"dim": 32, "n_heads": 2, "n_layers": 2, "hidden_dim": 64}, AROUND, limit=512,
        dropout="seq_classif_dropout",
    ),
    "deberta-v2": Family(
        DebertaV2Config, SIZES | {"relative_attention": True, "position_biased_input": False}, AROUND,
        dropout="cls_dropout",
    ),
    "electra": Family(ElectraConfig, SIZES | {"embedding_size": 16}, AROUND, limit=512),
    "albert": Family(AlbertConfig, SIZES | {"embedding_size": 16}, AROUND, limit=512,
                     dropout="classifier_dropout_prob"),
    "mpnet": Family(MPNetConfig, SIZES, "<bos> $A <eos>", limit=510, dropout="hidden_dropout_prob"),
    "modernbert": Family(ModernBertConfig, SIZES, AROUND, limit=8192),
    "xlnet": Family(
        XLNetConfig, {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64}, "$A <sep> <cls>", "left",
        dropout="summary_last_dropout",
    ),
    "bart": Family(
        BartConfig, BART | {"d_model": 32, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64}, "<bos> $A <eos>", limit=1024
    ),
    "t5": Family(T5Config, {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}, AFTER),
    "gpt2": Family(GPT2Config, {"n_embd": 32, "n_head": 2, "n_layer": 2}, "$A", limit=1024, dropout=""),
    "llama": Family(LlamaConfig, SIZES, BEFORE, "left", limit=2048, dropout=""),
    "qwen2": Family(Qwen2Config, SIZES | {"num_key_value_heads": 2}, "$A", "left", limit=32768, dropout=""),
    "gemma": Family(GemmaConfig, ROTARY, BEFORE, "left", limit=8192, dropout=""),
}  # fmt: skip


def word_tokenizer(template="$A", **options):
    """A tokenizer of whole words with the special tokens of every family."""
    backend = Tokenizer(models.WordLevel(VOCABULARY, unk_token="<unk>"))  # noqa: S106 - not a password
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    special = [(token, i) for token, i in VOCABULARY.items() if token.startswith("<")]
    backend.post_processor = processors.TemplateProcessing(single=template, special_tokens=special)
    tokens = {f"{name}_token": f"<{name}>" for name in SPECIAL}
    return PreTrainedTokenizerFast(tokenizer_object=backend, **(tokens | options))


def byte_tokenizer():
    """A tokenizer of bytes: transformers reads every tokenizer of a Qwen2 model as one of its own, byte-level kind."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {f"<{name}>": i for name, i in SPECIAL.items()} | {c: len(SPECIAL) + i for i, c in enumerate(letters)}
    tokens = {f"{name}_token": f"<{name}>" for name in SPECIAL}
    return Qwen2Tokenizer(vocab=vocabulary, merges=[], **tokens)


def write_family(folder, family, tokenizer=None, **options):
    """Write model and tokenizer of a family into a folder; gives the model, in evaluation mode."""
    kind = FAMILIES[family]
    if tokenizer is None:
        words = partial(word_tokenizer, kind.template, padding_side=kind.padding_side)
        tokenizer = byte_tokenizer() if family == "qwen2" else words()
    ids = {f"{name}_token_id": SPECIAL[name] for name in ("pad", "bos", "eos", "cls", "sep")}
    names = {"id2label": {0: "harmless", 1: "harmful"}, "label2id": {"harmless": 0, "harmful": 1}}
    ids |= {"decoder_start_token_id": SPECIAL["eos"]} if family in ("bart", "t5") else {}
    with torch.random.fork_rng():
        torch.manual_seed(1)
        config = kind.config(**(kind.sizes | {"vocab_size": len(tokenizer)} | ids | names | options))
        model = AutoModelForSequenceClassification.from_config(config).eval()
        for parameter in model.parameters():  # small random weights would hide what a text's neighbours change
            parameter.data.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model
