"""timeline.py FOLDER SCENARIO PODS SINCE: what happened when during one upgrade, from what was seen outside of the agent.

FOLDER/SCENARIO.KIND holds "SECONDS TYPE NAME UID GENERATION/DELETION" of each event of a watch (kinds flinkdeployments, deployments, pods, services);
the logs of the containers are below PODS. SINCE is when the push began. Prints the parts, in seconds, and the sums; exits with 1 if one is missing.
"""
import glob
import re
import sys
from datetime import datetime

folder, scenario, pods, since = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])


def events(kind):
    with open(f"{folder}/{scenario}.{kind}", encoding="utf-8") as file:
        for line in file:
            fields = line.split()
            if len(fields) == 5 and float(fields[0]) >= since:
                generation, _, deletion = fields[4].partition("/")
                yield float(fields[0]), fields[1], fields[2], fields[3], deletion != "", generation


def log_lines(pod):
    """(time, text) of the lines that Flink's logging wrote since then. A TaskManager has the name of the one before it."""
    lines = []
    for file in glob.glob(f"{pods}/*_{pod}/flink-main-container.log"):
        with open(file, encoding="utf-8", errors="replace") as text:
            for line in text:
                if match := re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d,\d{3}) ", line):
                    lines.append((datetime.strptime(match[1] + "000", "%Y-%m-%dT%H:%M:%S,%f").timestamp(), line))
    return [line for line in lines if line[0] >= since]


def first(items, test):
    return next((item[0] for item in items if test(item)), None)


def last(items, test):
    found = [item[0] for item in items if test(item)]
    return found[-1] if found else None


def logged(pod_lines, text, pick=first):
    return pick(pod_lines, lambda line: re.search(text, line[1]))


seen = {kind: list(events(kind)) for kind in ("flinkdeployments", "deployments", "pods", "services")}
made = [e for e in seen["pods"] if e[1] == "ADDED" and "preflight" not in e[2]]
new = {e[3] for e in made}
old = {e[3] for e in seen["pods"] if "preflight" not in e[2]} - new
old_jm = [line for name in {e[2] for e in seen["pods"] if e[3] in old and "taskmanager" not in e[2]} for line in log_lines(name)]
jm_pod = next((e for e in made if "taskmanager" not in e[2]), (None, None, "?"))
tm_pod = next((e for e in made if "taskmanager" in e[2]), (None, None, "?"))
new_jm = log_lines(jm_pod[2])
new_tm = [line for line in log_lines(tm_pod[2]) if tm_pod[0] is not None and line[0] >= tm_pod[0]]

at = {
    "push": since,
    "preflight begins": first(seen["pods"], lambda e: e[1] == "ADDED" and "preflight" in e[2]),
    "spec changed": first(seen["flinkdeployments"], lambda e: e[5] == seen["flinkdeployments"][-1][5]),
    "stop issued": logged(old_jm, "Triggering (stop-with-savepoint|.*[Ss]avepoint)"),
    "savepoint complete": logged(old_jm, "Completed checkpoint", last),
    "job stopped": logged(old_jm, "switched from state (RUNNING|FAILING|CANCELLING) to (FINISHED|CANCELED)|reached terminal state"),
    "deletion asked": first(seen["deployments"], lambda e: e[4] or e[1] == "DELETED"),
    "old pods gone": last(seen["pods"], lambda e: e[1] == "DELETED" and e[3] in old),
    "Deployment created": last(seen["deployments"], lambda e: e[1] == "ADDED"),
    "services created": last(seen["services"], lambda e: e[1] == "ADDED"),
    "JobManager pod": jm_pod[0],
    "JobManager speaks": first(new_jm, lambda line: True),
    "REST up": logged(new_jm, "Rest endpoint listening"),
    "job submitted": logged(new_jm, "Submitting Job|Received JobGraph submission"),
    "TaskManager pod": tm_pod[0],
    "TaskManager speaks": first(new_tm, lambda line: True),
    "TaskManager registered": logged(new_jm, "Registering TaskManager with ResourceID"),
    "job runs": logged(new_jm, "switched from (INITIALIZING|DEPLOYING) to RUNNING", last),
}
missing = [name for name, when in at.items() if when is None]
if "preflight begins" in missing:  # it passed before, or is off
    missing.remove("preflight begins")
    del at["preflight begins"]
if missing:
    print("not seen: " + ", ".join(missing))
    sys.exit(1)
before = since
for name, when in sorted(at.items(), key=lambda item: item[1]):
    print(f"  {when - since:7.2f}  {when - before:+6.2f}  {name}")
    before = when

PARTS = {
    "a change to the stop": at["stop issued"] - at["spec changed"],
    "the job's end to the deletion": max(0.0, at["deletion asked"] - at["job stopped"]),
    "the last pod's end to the new Deployment": at["Deployment created"] - at["old pods gone"],
}
print("  Weir adds: " + ", ".join(f"{name} {value:.2f}" for name, value in PARTS.items()))
print(f"RESULT {at['job runs'] - at['savepoint complete']:.2f} {at['job runs'] - since:.2f} {sum(PARTS.values()):.2f}")
