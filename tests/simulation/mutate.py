#!/usr/bin/env python3
"""Does the simulation bite? Builds mutants of the core and the executor and runs the simulation against each.

Generic mutants are drawn by seed from the functions of FILES: a condition negated, && for ||, == for !=, a bound off by one, a statement dropped,
true for false, one enumerator for its neighbour. Named ones are bugs of the protocol, as exact text (PROTOCOL). Each is built in a copy of
the tree and runs up to --schedules schedules, the fixtures, and with --crashes the scenarios of crashes; killed means that an invariant failed
there. A mutant that was looked at and found equivalent is named with the reason (EQUIVALENT), and another one is drawn instead.

usage: mutate.py [--seed N] [--generic N] [--schedules N] [--jobs N] [--work DIR] [--only TEXT] [--part K/N] [--crashes] [--list]
"""
import argparse
import pathlib
import random
import re
import shutil
import subprocess
import sys
import time

FIRST = 200  # schedules before the fixtures
ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = [f"src/lifecycle/{f}.c" for f in ("decide", "launch", "stop", "rollback", "watch", "ledger", "gate")] + [
    "src/agent/execute.c", "src/agent/job.c"]

# name, file, text, instead
PROTOCOL = [
    ("effect before its intent is in the ledger", "src/agent/job.c", "\tif (d->ledger_changed) {\n\t\tif (!agent_may_act(agent))",
     "\tif (d->effect != EFFECT_NONE) {\n\t\tif (!execute_effect(agent, view, &d->ledger, d->effect, seen, err))\n\t\t\treturn false;\n"
     "\t\td->effect = EFFECT_NONE;\n\t}\n\tif (d->ledger_changed) {\n\t\tif (!agent_may_act(agent))"),
    ("no compare and swap", "src/sync/text_map.c", '\t\tnode_set_text(doc, metadata, "resourceVersion", version);\n', ""),
    ("launch number not raised", "src/lifecycle/ledger.c", "l->next_launch++", "l->next_launch"),
    ("old TaskManagers not waited for", "src/agent/observe.c", "\t\t\to->tm_pods++;\n", ""),
    ("old JobManagers not waited for", "src/agent/observe.c", "\t\to->jm_pods++;\n", ""),
    ("HA metadata deleted with the cluster", "src/lifecycle/stop.c", "if (!op->keep_ha && s->ha == SEEN_PRESENT) {",
     "if (s->ha == SEEN_PRESENT) {"),
    ("starts empty without consent", "src/lifecycle/launch.c", "if (l->had_checkpoint && consents_to_empty(t)) {", "if (l->had_checkpoint) {"),
    ("failed content not quarantined", "src/lifecycle/rollback.c",
     "\tledger_add_quarantine(l, live->digest, live->commit, why, t->in->now_ms);\n", ""),
    ("what was completed since the decision is not looked at", "src/lifecycle/stop.c", "\t\t\tremove_look(t);\n", ""),
    ("the stop's savepoint is not what is restored", "src/lifecycle/stop.c", "\tLEDGER_SET(t->ledger->next.path, path);\n", ""),
    ("a refusal of preflight is ignored", "src/lifecycle/gate.c", "\t\tsay(out, GATE_WITHHOLD, text);\n\t} else if (strcmp(result, \"unknown\")",
     "\t\tsay(out, GATE_APPLY, text);\n\t} else if (strcmp(result, \"unknown\")"),
    ("an empty tree prunes", "src/sync/sync.c", "if (in->objects->count == 0) {", "if (in->objects->count > 100000) {"),
    ("acts without the lease", "src/agent/steps.c",
     "return atomic_load(&agent->leading) && now(agent) < atomic_load(&agent->lease_until);", "return agent != NULL;"),
]

# file, a part of "operator: line", why no schedule can tell it from the program
EQUIVALENT = [
    ("src/agent/job.c", "drop: ledger_free(", "leaks memory, which the sanitizers find, not an invariant"),
    ("src/lifecycle/stop.c", "= 0; -> = 1;: t->out->next_ms = 0;", "looks again a millisecond later"),
    ("src/lifecycle/ledger.c", "drop: ok = error_set(err, ERROR_INVALID, \"ledger: more than", "Weir never writes such a ledger; the unit tests read one"),
    ("src/agent/job.c", ">= -> >: return next >= 0", "asks the API server once more where the cache had said the same"),
]

LINE_SKIP = re.compile(r"decision_reason|decision_event|log_event|metrics_|stuck|snprintf|kill_point|^\s*(/\*|\*|//)|#|LEDGER_SET\(\w+->(reason|leader|commit)")
NEIGHBOURS = [("RESTORE_HA", "RESTORE_PATH"), ("SEEN_ABSENT", "SEEN_UNKNOWN"), ("SEEN_PRESENT", "SEEN_ABSENT"), ("TARGET_SPEC", "TARGET_STABLE"),
              ("JOB_RUNNING", "JOB_FAILED"), ("SAVEPOINT_COMPLETED", "SAVEPOINT_FAILED"), ("GATE_APPLY", "GATE_WITHHOLD")]


def variants(line):
    """The mutated forms of one line, each with the name of its operator."""
    found = []
    condition = re.match(r"(\s*(?:\} else )?if \()(.*)(\)(?: \{)?)$", line)
    if condition:
        found.append(("negate", f"{condition[1]}!({condition[2]}){condition[3]}"))
    for a, b in (("&&", "||"), ("||", "&&"), (" == ", " != "), (" != ", " == "), (" < ", " <= "), (" > ", " >= "), (" >= ", " > "),
                 ("true", "false"), ("false", "true"), (" + 1", ""), (" - 1", ""), (" = 1;", " = 0;"), (" = 0;", " = 1;")):
        for m in re.finditer(re.escape(a), line):
            found.append((f"{a.strip()} -> {b.strip() or 'nothing'}", line[:m.start()] + b + line[m.end():]))
    for a, b in NEIGHBOURS + [(b, a) for a, b in NEIGHBOURS]:
        if re.search(rf"\b{a}\b", line):
            found.append((f"{a} -> {b}", re.sub(rf"\b{a}\b", b, line, count=1)))
    if re.match(r"\t+[a-z][\w>.\[\]()*& ,-]* ?[-+|]?= [^;]*;$", line) or re.match(r"\t+(\(void\))?[a-z_]+\(.*\);$", line):
        if not re.match(r"\t+(return|const|struct|bool|char|int|int64_t|size_t|enum|static|AUTO\w*) ?", line):
            found.append(("drop", re.match(r"\t+", line)[0] + ";"))
    return found


def draw(count, seed):
    rng = random.Random(seed)
    sites = []
    for name in FILES:
        depth = 0
        for number, line in enumerate((ROOT / name).read_text().splitlines()):
            inside = depth > 0
            depth += line.count("{") - line.count("}")
            if inside and line.startswith("\t") and not LINE_SKIP.search(line) and variants(line):
                sites.append((name, number, line))
    rng.shuffle(sites)
    for name, number, line in sites:
        operator, mutated = rng.choice(variants(line))
        label = f"{name.split('/', 1)[1]} {operator}: {line.strip()}"
        why = next((why for file, part, why in EQUIVALENT if file == name and part in f"{operator}: {line.strip()}"), None)
        count -= why is None
        if count < 0:
            return
        yield label, name, (number, mutated), why


def tracked():
    names = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True).split("\n")
    return [n for n in names if n.startswith(("src/", "include/", "cmake/", "tests/simulation/")) or n in ("CMakeLists.txt", "LICENSE", "README.md")]


class Copy:
    """A copy of the tree with a build folder of its own, in which one mutant at a time is built."""

    def __init__(self, work):
        self.dir, self.build = work / "tree", work / "build"
        for name in tracked():
            target = self.dir / name
            source = ROOT / name
            if not source.is_file() or (target.is_file() and target.read_bytes() == source.read_bytes()):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
        (self.dir / "tests/CMakeLists.txt").write_text("add_subdirectory(simulation)\n")
        options = self.dir / "cmake/WeirOptions.cmake"
        options.write_text(options.read_text().replace("-Werror\n", "-w\n"))  # an unused variable is no reason to let a mutant go
        (self.dir / "docs/man").mkdir(parents=True, exist_ok=True)
        subprocess.check_call(["cmake", "-S", self.dir, "-B", self.build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
                               "-DCMAKE_C_FLAGS_RELWITHDEBINFO=-O2"], stdout=subprocess.DEVNULL)
        if not self.make():
            sys.exit("mutate.py: the tree does not build without a mutant")

    def make(self):
        return subprocess.run(["cmake", "--build", self.build, "--target", "simulation_run"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0

    def run(self, arguments, jobs):
        """The first failure and the seed that it was found with, or None."""
        program = self.build / "tests/simulation/simulation_run"
        done = subprocess.run([program, "--jobs", str(jobs), "--no-shrink", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace")
        if done.returncode == 0:
            return None
        found = re.search(r"(invariant \d[^\n]{0,90}|more than \d+ port calls|ended by signal \d+|not settled[^\n]{0,80})", done.stdout)
        seed = re.search(r"^seed (\d+) FAILED", done.stdout, re.M)
        return found[1] if found else "a run failed", f"seed {seed[1]}" if seed else "a fixture" if "fixtures/" in done.stdout else "a crash"

    def kill(self, schedules, jobs, crashes):
        fixtures = sorted((self.dir / "tests/simulation/fixtures").glob("*.txt"))
        scenarios = sorted((self.dir / "tests/simulation/scenarios").glob("*.txt"))
        return (self.run(["--schedules", min(schedules, FIRST)], jobs) or self.run(fixtures, jobs) or
                (schedules > FIRST and self.run(["--first", FIRST + 1, "--schedules", schedules - FIRST], jobs)) or
                (crashes and self.run(["--crashes", *scenarios], jobs)) or None)


def mutate(copy, name, change):
    path = copy.dir / name
    original = path.read_text()
    if isinstance(change[0], int):
        lines = original.split("\n")
        lines[change[0]] = change[1]
        path.write_text("\n".join(lines))
    else:
        if original.count(change[0]) < 1:
            return None
        path.write_text(original.replace(change[0], change[1]))
    return original


def md(text):
    """In a cell of a table."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--generic", type=int, default=25)
    parser.add_argument("--schedules", type=int, default=20000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/mutants")
    parser.add_argument("--only", default="")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--crashes", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    mutants = [(name, file, (text, instead), None) for name, file, text, instead in PROTOCOL] + list(draw(options.generic, options.seed))
    part, parts = (int(n) for n in options.part.split("/"))
    mutants = [m for m in mutants if re.search(options.only, m[0])][part - 1::parts]
    if options.list:
        for name, file, change, _ in mutants:
            there = isinstance(change[0], int) or change[0] in (ROOT / file).read_text()
            print(name if there else f"NOT THERE: {name}")
        return 0
    options.work.mkdir(parents=True, exist_ok=True)
    copy = Copy(options.work)
    survived = []
    for name, file, change, why in mutants:
        if why:
            print(f"| {md(name)} | equivalent: {why} | |", flush=True)
            continue
        began = time.monotonic()
        original = mutate(copy, file, change)
        if original is None:
            verdict = "NOT THERE: its text has changed |"
            survived.append(name)
        else:
            if not copy.make():
                verdict = "does not build |"
            else:
                how = copy.kill(options.schedules, options.jobs, options.crashes)
                verdict = f"{md(how[0])} | {how[1]}" if how else "SURVIVED |"
                if not how:
                    survived.append(name)
            (copy.dir / file).write_text(original)
        print(f"| {md(name)} | {verdict} |", flush=True)
        print(f"{time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(f"{len(mutants)} mutants, {len(survived)} survived")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
