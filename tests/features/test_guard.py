"""Guards: exact rates of false alarms, what each action does while text is written, and a log in which every change is found."""

import json
import multiprocessing
import threading

import pytest
import torch
from hand_made import READERS, TEXTS, WORDS, ids, readers
from scipy.special import bdtr

import sonde
from sonde.evidence import clopper_pearson
from sonde.features import AuditLog, Guard, Rule
from sonde.features.guard.calibration import thresholds
from sonde.features.guard.rules import scores
from sonde.results import CheckRefused, InputError, LoadError, Result

CABINET, CAT, NEVER = WORDS.index(" cabinet"), WORDS.index(" cat"), 3
HARMLESS = [
    f"The {a} {where} the {b} is {end}." for a in ("key", "dog", "table", "park") for b in ("table", "dog") for where in ("near", "on")
    for end in ("here", "old", "warm", "new")
]  # fmt: skip


@pytest.fixture(scope="module")
def guard():
    rules = [
        Rule("cabinet", READERS, feature=CABINET, action="block"),
        Rule("cat", READERS, feature=CAT, action="log"),
        Rule("dogs", READERS, feature=WORDS.index(" dogs"), action="steer", to=0.0),
    ]
    return Guard.calibrate(readers(), rules, HARMLESS, rate=0.05)


def test_clopper_and_pearson_hold_what_they_say():
    """Under every share the interval misses in at most 5 % of draws, counted exactly."""
    n = 20
    ends = [clopper_pearson(k, n) for k in range(n + 1)]
    for share in torch.linspace(0.01, 0.99, 49).tolist():
        chance = [bdtr(k, n, share) - (bdtr(k - 1, n, share) if k else 0) for k in range(n + 1)]
        assert sum(p for p, (low, high) in zip(chance, ends, strict=True) if low <= share <= high) >= 0.95
    assert clopper_pearson(20, 20)[1] == 1 and clopper_pearson(0, 20)[0] == 0
    with pytest.raises(InputError):
        clopper_pearson(3, 2)


def test_thresholds_keep_the_rate_as_often_as_they_say():
    """Over many calibrations, the true rate of false alarms is above the stated one in at most 5 % of them; lower thresholds would break that."""
    draws = torch.rand(4000, 120, generator=torch.Generator().manual_seed(0))
    true = 1 - thresholds(draws, rate=0.1, confidence=0.95)
    broken = float((true > 0.1).float().mean())
    assert 0.02 < broken <= 0.06
    naive = 1 - draws.quantile(0.9, dim=1)
    assert float((naive > 0.1).float().mean()) > 0.3  # the control: the sample's own quantile
    with pytest.raises(InputError, match="give at least 299"):
        thresholds(draws[:1], rate=0.01, confidence=0.95)


def test_a_text_scores_its_largest_token_special_ones_left_out(guard):
    model = readers()
    found = scores(model, guard.rules, TEXTS)
    for text, row in zip(TEXTS, found.T, strict=True):
        assert row[0].item() == pytest.approx(float(" cabinet" in text), abs=1e-3)
    direction = torch.randn(model.d_model, generator=torch.Generator().manual_seed(1))
    rule = Rule("probe", "blocks.2.resid_post", direction=direction)
    by_hand = [float((model.run(text, read=rule.site)[rule.site][0] @ direction)[model.prepare(text).ids[0] > 3].max()) for text in TEXTS]
    special = model.tokenizer.special
    assert all(i <= 3 for i in special)
    assert torch.allclose(scores(model, [rule], TEXTS)[0], torch.tensor(by_hand), rtol=1e-4)


def test_rules_fire_where_the_word_stands_and_the_claim_is_judged_elsewhere(guard):
    model = readers()
    assert guard.alarms.tolist() == [0, 0, 0] and (guard.thresholds == 0).all()
    fired = guard.fires(model, TEXTS)
    assert fired[0].tolist() == [" cabinet" in text for text in TEXTS]
    assert [verdict.holds for verdict in guard.check(model, HARMLESS * 2)] == [True, True, True]
    assert guard.check(model, TEXTS * 10)[0].holds is False
    assert guard.check(model, HARMLESS[:10])[0].holds is None  # ten texts can't tell 5 %
    (_, hits, (low, _)), *_, (name, any_rule, _) = guard.measure(model, [text for text in TEXTS if " cabinet" in text] * 5)
    assert hits == any_rule == 10 and low > 0.69 and name == "any rule"


def test_a_rule_that_never_fires_says_nothing(tmp_path):
    model, log = readers(), AuditLog(tmp_path / "log.jsonl")
    guard = Guard.calibrate(model, [Rule("high", READERS, feature=CABINET, action="block", least=1e6)], HARMLESS, rate=0.05)
    found = guard.generate(model, TEXTS[:3], log, max_new_tokens=3)
    assert found.texts == model.generate(TEXTS[:3], max_new_tokens=3)
    assert not found.events and not any(found.blocked) and log.verify() == 0 and not log.path.exists()


def test_blocked_texts_are_withheld_and_the_others_are_as_they_were(guard, tmp_path):
    model, log = readers(), AuditLog(tmp_path / "log.jsonl")
    prompts = ["The keys on the cabinet", "The key", "The cat near the dogs"]
    found = guard.generate(model, prompts, log, message="-", max_new_tokens=3)
    assert found.texts[0] == "-" and found.blocked == [True, False, False]
    assert found.texts[1] == model.generate(prompts[1], max_new_tokens=3)
    assert [(e.prompt, e.rule, e.action, e.new) for e in found.events if not e.new] == [
        (0, "cabinet", "block", False), (2, "cat", "log", False), (2, "dogs", "steer", False),
    ]  # fmt: skip
    first = found.events[0]
    assert (first.token,) == tuple(ids(" cabinet")) and model.prepare(prompts[0]).ids[0, first.position] == first.token
    assert log.verify() == len(found.events) == len(list(log.events()))
    line = next(log.events())
    assert line["token"] == " cabinet" and line["score"] > line["threshold"] and "sha256" in line["prompt"] and "cabinet" not in str(line["prompt"])


def test_steering_takes_the_word_out_while_text_is_written(guard):
    model = readers()
    prompt = "The cat near the dogs"
    edit = sonde.Clamp(READERS, 0.0, dims=[WORDS.index(" dogs")])
    assert guard.generate(model, prompt, max_new_tokens=6).texts == [model.generate(prompt, edits=edit, max_new_tokens=6)]
    probe = Rule("probe", "blocks.1.resid_post", direction=torch.eye(model.d_model)[0], action="steer", to=200.0)
    always = Guard.calibrate(model, [probe], HARMLESS, rate=0.05)
    object.__setattr__(always, "thresholds", torch.tensor([-1e9]))
    assert int(model.prepare(prompt).ids[0, 0]) in model.tokenizer.special  # the first token is left as it is
    by_hand = model.generate(prompt, edits=sonde.Set("blocks.1.resid_post[pos=1:, d_model=0]", 200.0), max_new_tokens=6)
    assert always.generate(model, prompt, max_new_tokens=6).texts == [by_hand] != [model.generate(prompt, max_new_tokens=6)]


def test_what_is_written_is_looked_at_to_the_last_token():
    model = readers()
    text = model.generate("The keys on the", max_new_tokens=4)
    last = model.tokenizer.encode("The keys on the" + text, bos=False)[-1]
    word = model.tokenizer.strings([last])[0]
    every = model.embed(torch.arange(model.architecture.d_vocab)).detach()
    spread = torch.cov(every.T) + 1e-3 * torch.eye(model.d_model)
    direction = torch.linalg.solve(spread, every[last])  # along which the word lies apart from all others
    rule = Rule(word, "embed", direction=direction, action="block", where="new")
    guard = Guard.calibrate(model, [rule], HARMLESS, rate=0.05)
    object.__setattr__(guard, "thresholds", (every @ direction).sort(descending=True).values[1:2])
    found = guard.generate(model, "The keys on the", max_new_tokens=4)
    assert found.blocked == [True] and found.events[0].position == model.prepare("The keys on the").ids.shape[1] + 3
    assert not guard.generate(model, "The keys on the", max_new_tokens=3).events  # one token earlier it has not been said
    only = Guard.calibrate(model, [Rule("p", "embed", direction=direction, where="prompt")], HARMLESS, rate=0.05)
    assert not [event for event in only.generate(model, "The keys on the", max_new_tokens=4).events if event.new]


def test_it_is_kept_with_its_directions(guard, tmp_path):
    again = Result.load(guard.save(tmp_path / "guard"))
    assert torch.equal(again.thresholds, guard.thresholds) and [rule.name for rule in again.rules] == ["cabinet", "cat", "dogs"]
    assert again.generate(readers(), TEXTS[0], max_new_tokens=1).blocked == [True]
    assert guard.drawing().kind == "table" and len(guard.to_frame()) == 3
    with pytest.raises(CheckRefused):
        again.generate(sonde.load("specimen:words-small"), "The")


def test_what_can_not_be_guarded_is_refused(guard):
    model = readers()
    for call, message in [
        (lambda: Rule("r", READERS), "either feature= or direction="),
        (lambda: Rule("r", READERS, feature=1, direction=torch.ones(3)), "either feature= or direction="),
        (lambda: Rule("r", READERS, feature=1, action="burn"), "'log', 'block' or 'steer'"),
        (lambda: Rule("r", READERS, direction=torch.zeros(3)), "not zero"),
        (lambda: scores(model, [Rule("r", READERS, feature=99)], TEXTS), "counted from 0"),
        (lambda: scores(model, [Rule("r", "embed", direction=torch.ones(3))], TEXTS), "has 3 entries"),
        (lambda: scores(model, [Rule("r", "blocks.0.attn.pattern", direction=torch.ones(3))], TEXTS), "needs batch pos d"),
        (lambda: Guard.calibrate(model, [], HARMLESS), "at least one rule"),
        (lambda: Guard.calibrate(model, [Rule("r", READERS, feature=1)] * 2, HARMLESS), "two rules are called"),
        (lambda: Guard.calibrate(model, [Rule("r", READERS, feature=1)], HARMLESS, rate=2), "between 0 and 1"),
        (lambda: guard.generate(model, []), "at least one prompt"),
        (lambda: AuditLog("/nowhere/at/all.jsonl"), "folder that exists"),
    ]:
        with pytest.raises(InputError, match=message):
            call()


@pytest.fixture
def log(tmp_path):
    made = AuditLog(tmp_path / "log.jsonl")
    for i in range(5):
        made.append({"i": i, "text": 'a "quoted", "hash": "x"} line\n'})
    return made


@pytest.mark.parametrize("harm", ["change", "remove", "swap", "insert", "cut", "cut and forge the head", "lose the head", "half a line"])
def test_every_change_of_a_log_is_found(log, harm):
    assert log.verify() == 5 and [event["i"] for event in log.events()] == list(range(5))
    lines = log.path.read_text().splitlines(keepends=True)
    head = log.head.read_text()
    if harm == "change":
        lines[2] = lines[2].replace('"i": 2', '"i": 7')
    elif harm == "remove":
        del lines[2]
    elif harm == "swap":
        lines[1], lines[2] = lines[2], lines[1]
    elif harm == "insert":
        lines.insert(3, lines[2])
    elif harm == "half a line":
        lines[4] = lines[4][:20]
    elif harm == "lose the head":
        log.head.unlink()
    else:
        del lines[4]
        if "forge" in harm:
            digest = json.loads(lines[3])["hash"]
            head = f"5 {digest} {sum(map(len, lines))}\n"
    log.path.write_text("".join(lines))
    if harm != "lose the head":
        log.head.write_text(head)
    with pytest.raises(LoadError):
        log.verify()


def test_nothing_is_appended_to_a_cut_log(log):
    log.path.write_bytes(log.path.read_bytes()[:-30])
    with pytest.raises(LoadError, match="verify it, put it aside"):
        log.append({"i": 5})


def test_a_key_keeps_forgers_out(tmp_path):
    """Whoever knows the format can write a whole chain; whoever does not know the key can't."""
    own, forged = AuditLog(tmp_path / "log.jsonl", key=b"secret"), AuditLog(tmp_path / "forged.jsonl")
    own.append({"i": 1})
    forged.append({"i": 2})
    forged.path.replace(own.path)
    forged.head.replace(own.head)
    with pytest.raises(LoadError, match="line 1"):
        own.verify()
    assert AuditLog(own.path).verify() == 1
    for event in ({"hash": 1}, {"x": object()}, {"x": float("nan")}):
        with pytest.raises(InputError):
            AuditLog(tmp_path / "new.jsonl").append(event)


def _append(path, who):
    log = AuditLog(path)
    for i in range(15):
        log.append({"who": who, "i": i})


def test_threads_and_processes_append_side_by_side(tmp_path):
    path = tmp_path / "log.jsonl"
    threads = [threading.Thread(target=_append, args=(path, f"thread {n}")) for n in range(3)]
    processes = [multiprocessing.get_context("fork").Process(target=_append, args=(path, f"process {n}")) for n in range(2)]
    for one in (*processes, *threads):
        one.start()
    for one in (*processes, *threads):
        one.join()
    log = AuditLog(path)
    assert log.verify() == 75
    for who in {event["who"] for event in log.events()}:
        assert [event["i"] for event in log.events() if event["who"] == who] == list(range(15))
