"""load.py SERVER COUNT RUNNING: makes COUNT FlinkDeployments that an agent may act on, of which RUNNING run and the others are suspended."""
import http.client
import json
import sys

server, count, running = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
client = http.client.HTTPConnection(server.removeprefix("http://"))
for i in range(count):
    body = {
        "apiVersion": "flink.apache.org/v1beta1",
        "kind": "FlinkDeployment",
        "metadata": {"name": f"job-{i:05}", "namespace": "default", "annotations": {"weir.dev/managed": "true"}},
        "spec": {
            "image": "flink:1.20",
            "flinkVersion": "v1_20",
            "serviceAccount": "flink",
            "flinkConfiguration": {
                "taskmanager.numberOfTaskSlots": "1",
                "execution.checkpointing.interval": "60s",
                "state.checkpoints.dir": "file:///flink-data/checkpoints",
                "state.savepoints.dir": "file:///flink-data/savepoints",
                "high-availability.type": "kubernetes",
                "high-availability.storageDir": "file:///flink-data/ha",
            },
            "jobManager": {"resource": {"cpu": 0.25, "memory": "800m"}},
            "taskManager": {"resource": {"cpu": 0.25, "memory": "1024m"}},
            "job": {
                "jarURI": "local:///opt/flink/usrlib/count.jar",
                "entryClass": "CountJob",
                "parallelism": 1,
                "state": "running" if i < running else "suspended",
                "upgradeMode": "savepoint",
            },
        },
    }
    client.request("POST", "/apis/flink.apache.org/v1beta1/namespaces/default/flinkdeployments", json.dumps(body),
                   {"Content-Type": "application/json"})
    answer = client.getresponse()
    text = answer.read()
    if answer.status != 201:
        sys.exit(f"{body['metadata']['name']}: {answer.status} {text[:300]!r}")
