"""Runs ours and a peer alternately on the same work and prints wall and CPU medians and their ratios.

    python -m bench --ours unix:///run/carrack.sock --peer unix:///run/docker.sock [--runs 20] [--json FILE]

Every target does every case once per round, with a pause before each, so that drift and noise hit all alike. CPU is
the time that all processors of the host were busy during the run (proc_stat(5), so 10 ms steps, averaged over the
runs): keep the machine otherwise idle.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time

from bench.cases import API_ONLY, CASES, IMAGE, Target

_TICK = os.sysconf("SC_CLK_TCK")


def busy() -> float:
    """Seconds that the processors have been busy since boot."""
    with open("/proc/stat", encoding="ascii") as file:
        words = [int(word) for word in file.readline().split()[1:9]]
    user, nice, system, _idle, _wait, interrupts, soft, stolen = words
    return (user + nice + system + interrupts + soft + stolen) / _TICK


def measure(targets: list[Target], case: str, runs: int, gap: float) -> dict[str, dict[str, list[float]]]:
    """Wall and CPU milliseconds of each target's runs, the first round not counted."""
    work = CASES[case]
    chosen = [t for t in targets if not (case in API_ONLY and t.name.startswith("our CLI"))]
    result: dict[str, dict[str, list[float]]] = {t.name: {"wall": [], "cpu": []} for t in chosen}
    for number in range(runs + 1):
        for target in chosen:
            time.sleep(gap)
            cpu, start = busy(), time.perf_counter()
            work(target)
            wall = time.perf_counter() - start
            time.sleep(0.05)  # what is cleaned up after the answer counts as CPU, too
            if number:
                result[target.name]["wall"].append(wall * 1000)
                result[target.name]["cpu"].append((busy() - cpu) * 1000)
    return result


def rows(case: str, result: dict[str, dict[str, list[float]]], base: str) -> list[str]:
    """Lines of the table: medians of wall, means of CPU, and the peer's figure over each."""
    wall = {name: statistics.median(values["wall"]) for name, values in result.items()}
    cpu = {name: statistics.fmean(values["cpu"]) for name, values in result.items()}
    lines = []
    for name in result:
        ratio = "" if name == base else f"{wall[base] / wall[name]:.1f}"
        cpu_ratio = "" if name == base else f"{cpu[base] / max(cpu[name], 0.1):.1f}"
        lines.append(f"| {case} | {name} | {wall[name]:.1f} | {cpu[name]:.0f} | {ratio} | {cpu_ratio} |")
    return lines


def main() -> None:
    """Measure all cases and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--ours", default="unix:///run/carrack.sock")
    parser.add_argument("--peer", default="unix:///run/docker.sock")
    parser.add_argument("--docker", default="docker", help="the docker command, the same for both daemons")
    parser.add_argument("--carrack", default="carrack")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--gap", type=float, default=0.25, help="seconds before each run")
    parser.add_argument("--json", help="keep every figure in this file")
    parser.add_argument("cases", nargs="*", default=list(CASES))
    options = parser.parse_args()
    targets = [
        Target("dockerd, docker CLI", options.docker, options.peer),
        Target("carrackd, docker CLI", options.docker, options.ours),
        Target("our CLI, carrackd", options.carrack, options.ours),
    ]
    for target in targets[:2]:
        target.run("run", "-d", "--name", "bench-exec", IMAGE, "sleep", "3600")
    figures = {}
    print("| work | with | wall, median ms | CPU, mean ms | dockerd ÷ this, wall | CPU |\n|---|---|--:|--:|--:|--:|")
    try:
        for case in options.cases:
            figures[case] = measure(targets, case, options.runs, options.gap)
            print("\n".join(rows(case, figures[case], targets[0].name)), flush=True)
    finally:
        for target in targets[:2]:
            target.run("rm", "-f", "bench-exec")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    main()
