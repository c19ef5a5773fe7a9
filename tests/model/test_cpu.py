"""Dropout and attention for CPUs compute what torch's own do."""

import pytest
import torch
from torch import nn

from aufruf.model import cpu, layout
from aufruf.model.encoders import ResolvedEncoder

BERTS = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_drops_its_share_and_keeps_the_mean(p):
    """Of 400,000 ones a share p becomes 0, within five standard errors, and what is left is 1 / (1 - p)."""
    torch.manual_seed(1)
    out = cpu.dropped(torch.ones(400_000), p)
    share = float((out == 0).float().mean())
    assert abs(share - p) < 5 * (p * (1 - p) / 400_000) ** 0.5 + 2**-16
    assert torch.allclose(out[out != 0], torch.tensor(1 / (1 - p)), rtol=2e-4)


def test_neighbours_are_dropped_independently():
    """Elements that come from one 64-bit number are dropped together no more often than by chance."""
    torch.manual_seed(2)
    gone = (cpu.dropped(torch.ones(800_000), 0.25) == 0).float().view(-1, 4)
    together = gone.T @ gone / len(gone)
    expected = torch.full((4, 4), 0.25**2) + torch.eye(4) * (0.25 - 0.25**2)
    assert torch.allclose(together, expected, atol=5e-3)


def test_dropout_is_seeded_and_its_gradient_has_the_same_mask():
    """The same seed drops the same elements, and what was dropped gets no gradient."""
    x = torch.ones(7, 9, requires_grad=True)
    torch.manual_seed(3)
    first = cpu.dropped(x, 0.3)
    torch.manual_seed(3)
    assert torch.equal(cpu.dropped(x, 0.3), first)
    first.sum().backward()
    assert torch.equal(x.grad, first.detach())


@pytest.mark.parametrize(("p", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_the_ends_of_the_scale(p, expected):
    """Nothing is dropped at 0, everything at 1."""
    assert torch.equal(cpu.dropped(torch.ones(5), p), torch.full((5,), expected))


def test_a_model_that_answers_drops_nothing():
    """Outside of training the module passes on what it gets."""
    module = cpu.Dropout(0.5)
    x = torch.randn(3, 4)
    assert torch.equal(module.eval()(x), x)
    assert not torch.equal(module.train()(x), x)


@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_torchs(masked):
    """Without dropout the output and the gradients are those of torch's scaled dot-product attention."""
    torch.manual_seed(4)
    ours = [torch.randn(3, 2, 11, 8, requires_grad=True) for _ in range(3)]
    theirs = [part.detach().clone().requires_grad_() for part in ours]
    mask = torch.zeros(3, 1, 11, 11)
    mask[1, :, :, 7:] = torch.finfo(torch.float32).min
    mask = mask if masked else None
    out, weights = cpu.attention(nn.Module().train(), *ours, mask, dropout=0.0)
    expected = nn.functional.scaled_dot_product_attention(*theirs, attn_mask=mask).transpose(1, 2)
    assert weights is None
    assert torch.allclose(out, expected, atol=1e-6)
    out.square().sum().backward()
    expected.square().sum().backward()
    assert all(torch.allclose(a.grad, b.grad, atol=1e-5) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("p", [0.0, 0.3])
@pytest.mark.parametrize("at_once", [1, 40, 10_000])
def test_attentions_gradients_are_those_of_its_answers(p, at_once, monkeypatch):
    """By differences of its answers in double precision; however many texts are computed together."""
    monkeypatch.setattr(cpu, "_AT_ONCE", at_once)
    parts = [torch.randn(3, 2, 4, 3, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    mask = torch.zeros(3, 1, 4, 4, dtype=torch.float64)
    mask[1, :, :, 3] = torch.finfo(torch.float64).min

    def answer(*given):
        torch.manual_seed(5)
        return cpu.attention(nn.Module().train(), *given, mask, dropout=p)[0]

    assert torch.autograd.gradcheck(answer, parts)


@pytest.mark.parametrize("at_once", [1, 10_000])
def test_gradients_of_texts_of_all_lengths(at_once, monkeypatch):
    """The same of texts that lie one behind the other, of several widths, some with a mask, and with dropout."""
    monkeypatch.setattr(cpu, "_AT_ONCE", at_once)
    lengths = layout.Layout([5, 20, 3, 19], 22)
    parts = [torch.randn(1, 2, len(lengths.places), 3, dtype=torch.float64, requires_grad=True) for _ in range(3)]

    def answer(*given):
        torch.manual_seed(5)
        return cpu.attention(nn.Module().train(), *given, lengths, dropout=0.3)[0]

    assert len(lengths.blocks) > 1
    assert torch.autograd.gradcheck(answer, parts, fast_mode=True)


def test_a_decoder_keeps_its_own_attention():
    """Its tokens see those before them only; ours knows no such mask."""
    from transformers import AutoModelForSequenceClassification, BertConfig

    sizes = dict(zip(BERTS, (32, 64, 2, 4), strict=True)) | {"vocab_size": 60}
    model = AutoModelForSequenceClassification.from_config(BertConfig(is_decoder=True, **sizes)).eval()
    ids = torch.randint(5, 60, (3, 20))
    with torch.no_grad():
        before = model(input_ids=ids).logits
        assert torch.equal(cpu.suited(model).eval()(input_ids=ids).logits, before)


def test_attention_drops_shares():
    """A share p of what each token looks at is gone, the rest counts for more, and a model that answers drops none."""
    torch.manual_seed(6)
    query, key = (torch.zeros(2, 4, 64, 8, requires_grad=True) for _ in range(2))
    value = torch.eye(64).expand(2, 4, 64, 64)
    out, _ = cpu.attention(nn.Module().train(), query, key, value, None, dropout=0.25)
    gone = float((out == 0).float().mean())
    assert abs(gone - 0.25) < 5 * (0.25 * 0.75 / out.numel()) ** 0.5
    assert torch.allclose(out[out != 0], torch.tensor(1 / 64 / 0.75), rtol=1e-3)
    whole, _ = cpu.attention(nn.Module().eval(), query, key, value, None, dropout=0.25)
    assert torch.allclose(whole, torch.tensor(1 / 64))


@pytest.mark.parametrize("learns", [False, True])
def test_attention_in_half_precision_is_near_and_always_a_number(learns):
    """Under autocast it is bf16 in and out, near to fp32, and a row in which all is masked stays finite."""
    torch.manual_seed(7)
    parts = [torch.randn(2, 3, 9, 16, requires_grad=learns) for _ in range(3)]
    mask = torch.zeros(2, 1, 9, 9)
    mask[1] = torch.finfo(torch.float32).min
    exact, _ = cpu.attention(nn.Module(), *parts, mask)
    with torch.autocast("cpu", torch.bfloat16):
        near, _ = cpu.attention(nn.Module(), *parts, mask)
    assert near.dtype == torch.bfloat16
    assert torch.allclose(near.float()[0], exact[0], atol=0.05)
    assert torch.isfinite(near).all()
    assert torch.isfinite(exact).all()


@pytest.mark.parametrize("p", [0.0, 0.1, 0.3])
def test_attention_learns_in_half_precision_what_it_does_in_full(p):
    """Answers and gradients with one mask of dropout: what bf16 rounds makes a hundredth of their length at most.

    A number is rounded six times on its way at most (query times scale, score, share, its gradient, value times gain,
    what comes out), by 2**-9 of it, and scores of the order of 1 pass that on no larger: 6 * 2**-9 if all add up.
    .003 to .005 were measured. Another mask is more than ten times as far away.
    """
    torch.manual_seed(8)
    given = [torch.randn(4, 3, 24, 16).bfloat16().float() for _ in range(3)]
    back, mask = torch.randn(4, 24, 3, 16).bfloat16(), torch.zeros(4, 1, 24, 24)
    mask[1, :, :, 17:] = torch.finfo(torch.float32).min

    def learnt(half, seed=9):
        parts = [part.clone().requires_grad_() for part in given]
        torch.manual_seed(seed)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            out, _ = cpu.attention(nn.Module().train(), *parts, mask, dropout=p)
        assert out.dtype == (torch.bfloat16 if half else torch.float32)
        out.backward(back.to(out.dtype))
        return [out.detach().float(), *(part.grad for part in parts)]

    def apart(found, exact):
        return [float((one - other).norm() / other.norm()) for one, other in zip(found, exact, strict=True)]

    assert max(apart(learnt(True), learnt(False))) < 6 * 2**-9
    if p:
        assert min(apart(learnt(True, seed=10), learnt(False))) > 60 * 2**-9


def test_the_network_is_the_same(encoder: ResolvedEncoder):
    """With dropout off, a BERT answers and learns the same with these parts as with torch's."""
    from transformers import AutoModelForSequenceClassification

    ids, mask = torch.tensor([[2, 9, 8, 3], [2, 7, 3, 0]]), torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    seen = []
    for suited in (cpu.suited, lambda model: model):
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_pretrained(
            encoder.folder,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        logits = suited(model).train()(input_ids=ids, attention_mask=mask).logits
        logits.square().sum().backward()
        seen.append([logits.detach(), *(p.grad for _, p in sorted(model.named_parameters()) if p.grad is not None)])
    assert len(seen[0]) == len(seen[1]) > 30
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*seen, strict=True))


@pytest.mark.parametrize("at_once", [1, 1 << 20])
@pytest.mark.parametrize("family", sorted(cpu.FAMILIES))
def test_a_familys_network_is_the_same(family, at_once, monkeypatch):
    """With dropout off, each family answers and learns the same as with plain attention, long and short texts alike."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    monkeypatch.setattr(cpu, "_AT_ONCE", at_once)
    names = ("dim", "hidden_dim", "n_layers", "n_heads") if family == "distilbert" else BERTS
    sizes = dict(zip(names, (32, 64, 2, 4), strict=True)) | {"vocab_size": 60, "pad_token_id": 1}
    quiet = {name: 0.0 for name in AutoConfig.for_model(family).to_dict() if "dropout" in name}
    longest = 200 if family == "modernbert" else 40  # more than ModernBERT's window
    ids, lengths = torch.randint(5, 60, (6, longest)), torch.tensor([6, longest, 1, longest - 2, 30, 29])
    mask = (torch.arange(longest) < lengths[:, None]).long()
    ids[mask == 0] = 1
    seen = []
    for suited in (cpu.suited, lambda model: model):
        config = AutoConfig.for_model(family, **sizes, **quiet, attn_implementation="eager")
        torch.manual_seed(0)
        model = suited(AutoModelForSequenceClassification.from_config(config)).train()
        logits = model(input_ids=ids, attention_mask=mask).logits
        logits.square().sum().backward()
        with torch.no_grad():
            answered = model.eval()(input_ids=ids, attention_mask=mask).logits
        seen.append([logits.detach(), answered, *(p.grad for _, p in sorted(model.named_parameters()))])
        seen[-1] = [part for part in seen[-1] if part is not None]
        assert model.config._attn_implementation.startswith("eager" if len(seen) == 2 else "aufruf")
    assert len(seen[0]) == len(seen[1]) > 16
    near = [torch.allclose(a, b, atol=1e-6 * max(1, float(b.abs().max()))) for a, b in zip(*seen, strict=True)]
    assert all(near)


def test_every_dropout_is_replaced(encoder: ResolvedEncoder):
    """No module of torch's own dropout is left, also none deep inside."""
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(encoder.folder)
    before = sum(type(module) is nn.Dropout for module in model.modules())
    cpu.suited(model)
    kinds = [type(module) for module in model.modules()]
    assert before > 3
    assert nn.Dropout not in kinds
    assert kinds.count(cpu.Dropout) == before
