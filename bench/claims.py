"""What is claimed of sonde in a job, held against its result."""

from dataclasses import dataclass
from typing import Any

from bench.jobs import CLAIMED, PEERS, Job


@dataclass(frozen=True)
class Claim:
    """One claim.

    Arguments:
        text: what is claimed.
        measured: what was found.
        holds: whether it is so; `None` where there is nothing to hold it against.
    """

    text: str
    measured: str
    holds: bool | None


def claims(job: Job, result: dict[str, Any]) -> list[Claim]:
    """Every claim of a job."""
    rows = {row["subject"]: row for row in result["rows"]}
    ours = rows["sonde"]["value"]
    found = []
    if job.at_most:
        for subject in (name for name in CLAIMED if name in rows):
            found.append(Claim(f"{subject} at most {job.at_most:g} s", f"{rows[subject]['value']:.3g} s", rows[subject]["value"] <= job.at_most))
    if job.at_most_floors:
        ratio = ours / result["floor"]
        floor = "the floor" if job.flops else "the bare forward"
        found.append(Claim(f"at most {job.at_most_floors:.2f} x {floor}", f"{ratio:.3f} x", ratio <= job.at_most_floors))
    if job.of_plain:
        ratio = ours / rows["plain"]["value"]
        found.append(Claim(f"at most {job.of_plain:.2f} x the plain loop", f"{ratio:.2f} x", ratio <= job.of_plain))
    if job.ahead:
        best = min((row for row in result["rows"] if row["subject"] in PEERS), key=lambda row: row["value"], default=None)
        ratio = best["value"] / ours if best else 0.0
        text = f"{ratio:.1f} x ({best['subject']})" if best else "no peer was measured"
        found.append(Claim(f"the best peer takes at least {job.ahead:g} x as long", text, ratio >= job.ahead if best else None))
    if job.score_within:
        rivals, whose = (PEERS, "the best peer's") if set(job.subjects) & set(PEERS) else (("plain",), "that of the plain loop")
        best = max((row["score"] for row in result["rows"] if row["subject"] in rivals), default=None)
        behind = None if best is None else best - rows["sonde"]["score"]
        told = "no peer was measured" if behind is None else f"{-behind:+.4f}"
        text = f"its score at most {job.score_within:g} below {whose}"
        found.append(Claim(text, told, None if behind is None else behind <= job.score_within))
    if job.closest:
        best = min((row for row in result["rows"] if row["subject"] in PEERS), key=lambda row: row["difference"], default=None)
        own = rows["sonde"]["difference"]
        text = "no peer was measured" if best is None else f"{own:.1e}, {best['subject']} {best['difference']:.1e}"
        found.append(Claim("no farther from the true numbers than the best peer", text, None if best is None else own <= best["difference"]))
    if job.of_peer:
        way, peer, most = job.of_peer
        share = rows[way]["value"] / rows[peer]["value"] if peer in rows else None
        told = "it was not measured" if share is None else f"{share:.3f} x"
        found.append(Claim(f"{way} at most {most:g} x what {peer} takes", told, None if share is None else share <= most))
    if job.of_memory:
        peer, most = job.of_memory
        share = rows["sonde"]["extra_mb"] / rows[peer]["extra_mb"] if peer in rows else None
        told = "it was not measured" if share is None else f"{share:.2f} x"
        found.append(Claim(f"memory at most {most:.2f} x that of {peer}", told, None if share is None else share <= most))
    if job.above_mb:
        above = rows["sonde"]["above_mb"]
        found.append(Claim(f"peak memory at most {job.above_mb:g} MB above the loaded model", f"{above:+.0f} MB", above <= job.above_mb))
    if job.within_mb:
        peak = rows["sonde"]["peak_mb"]
        found.append(Claim(f"peak memory at most {job.within_mb:g} MB", f"{peak:.0f} MB", peak <= job.within_mb))
    if job.memory_mb:
        above = rows["sonde"]["peak_mb"] - rows["plain"]["peak_mb"]
        found.append(Claim(f"peak memory within {job.memory_mb:g} MB of the plain forward's", f"{above:+.0f} MB", above <= job.memory_mb))
    return found
