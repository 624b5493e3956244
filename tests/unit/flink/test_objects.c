#include "flink_test.h"

#include "flink/config.h"
#include "flink/objects.h"
#include "flink/pod_template.h"

static const char small[] = "flinkVersion: v1_20\n"
			    "image: flink:1.20\n"
			    "serviceAccount: flink\n"
			    "jobManager: {resource: {memory: 1536m, cpu: 1}}\n"
			    "taskManager: {resource: {memory: 2048m, cpu: 1}}\n"
			    "job: {jarURI: 'local:///opt/flink/usrlib/a.jar', parallelism: 2}\n";

static struct flink_launch launch_of(const struct doc *spec)
{
	return (struct flink_launch){
		.spec = doc_root(spec), .name = "orders", .ns = "shop", .uid = "u-1", .generation = 3, .job_id = "0123"
	};
}

static struct node *jobmanager(struct doc *doc, const struct doc *spec)
{
	struct flink_launch launch = launch_of(spec);
	struct node *deployment = NULL;
	struct error err = ERROR_INIT;
	if (!flink_objects_jobmanager(&launch, doc, &deployment, &err))
		fail_msg("%s", err.message);
	return deployment;
}

static const struct node *named(const struct node *list, const char *name)
{
	for (size_t i = 0; i < node_count(list); i++)
		if (str_eq(node_text(node_get(node_at(list, i), "name")), name))
			return node_at(list, i);
	return NULL;
}

static const struct node *main_container(const struct node *deployment)
{
	return named(node_find(deployment, "spec/template/spec/containers"), "flink-main-container");
}

/* Checks and takes off the annotations that only Weir writes. */
static void take_ours(struct node *deployment)
{
	static const char *const places[] = { "metadata", "spec/template/metadata" };
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct node *metadata = node_find(deployment, places[i]), *annotations = node_get(metadata, "annotations");
		assert_string_equal(node_text(node_get(annotations, FLINK_LAUNCH_ANNOTATION)), "7");
		assert_string_equal(node_text(node_get(annotations, FLINK_JOB_ID_ANNOTATION)), "00ff");
		(void)node_remove(annotations, FLINK_LAUNCH_ANNOTATION);
		(void)node_remove(annotations, FLINK_JOB_ID_ANNOTATION);
		if (node_count(annotations) == 0)
			(void)node_remove(metadata, "annotations");
	}
}

/* The objects that a Java operator's run left behind, but for what Weir adds and for texts compared elsewhere. */
static void as_recorded(const char *name)
{
	AUTOFREE char *resource_name = mem_printf("%s-resource.yaml", name), *jm_name = mem_printf("%s-jobmanager.yaml", name);
	AUTOFREE char *others_name = mem_printf("%s-dependents.yaml", name);
	AUTODOC *resource = fixture(resource_name), *jm = fixture(jm_name), *others = fixture(others_name), *doc = doc_new();
	struct flink_launch launch = { .spec = node_get(doc_root(resource), "spec"),
				       .name = name,
				       .ns = "default",
				       .uid = node_find_text(doc_root(resource), "metadata/uid"),
				       .generation = 1,
				       .number = 7,
				       .job_id = "00ff" };
	struct node *deployment = NULL, *list = NULL;
	struct error err = ERROR_INIT;
	assert_true(flink_objects_jobmanager(&launch, doc, &deployment, &err));
	take_ours(deployment);
	assert_same(deployment, doc_root(jm));

	assert_true(flink_objects_dependents(&launch, node_text(node_get(doc_root(others), "uid")), doc, &list, &err));
	for (size_t i = 0; i < node_count(list); i++) {
		struct node *object = node_at(list, i), *data = node_get(object, "data");
		if (str_eq(node_find_text(object, "kind"), "Deployment")) {
			/* the Java operator lets the FlinkDeployment own it */
			take_ours(object);
			assert_string_equal(node_find_text(object, "metadata/ownerReferences/0/kind"), "Deployment");
			assert_string_equal(node_find_text(object, "metadata/ownerReferences/0/uid"),
					    node_text(node_get(doc_root(others), "uid")));
			assert_true(node_truth(node_find(object, "metadata/ownerReferences/0/blockOwnerDeletion"), false));
			node_set(doc, node_get(object, "metadata"), "ownerReferences",
				 node_copy(doc, node_find(doc_root(jm), "metadata/ownerReferences")));
		}
		if (node_get(data, "flink-conf.yaml") == NULL)
			continue;
		for (size_t k = 0; k < node_count(data); k++) {
			bool config = str_eq(node_key_at(data, k), "flink-conf.yaml");
			assert_true(node_len(node_value_at(data, k)) > 0);
			node_replace_at(data, k, node_string(doc, config ? "(see config)" : "(text)"));
		}
	}
	assert_same(list, node_get(doc_root(others), "objects"));
}

static void recorded_minimal(void **state)
{
	(void)state;
	as_recorded("native-min");
}

static void recorded_full(void **state)
{
	(void)state;
	as_recorded("native-full");
}

static void recorded_standalone(void **state)
{
	(void)state;
	as_recorded("sa-min");
}

/* The arguments of the JobManager's container, joined with blanks. */
static void assert_args(const struct doc *spec, const char *savepoint, const char *expected)
{
	AUTODOC *doc = doc_new();
	struct flink_launch launch = launch_of(spec);
	launch.savepoint_path = savepoint;
	struct node *deployment = NULL;
	struct error err = ERROR_INIT;
	if (!flink_objects_jobmanager(&launch, doc, &deployment, &err))
		fail_msg("%s", err.message);
	const struct node *args = node_get(main_container(deployment), "args");
	AUTOBUF joined = BUF_INIT;
	for (size_t i = 0; i < node_count(args); i++)
		buf_printf(&joined, "%s%s", i > 0 ? " " : "", node_text(node_at(args, i)));
	assert_string_equal(buf_text(&joined), expected);
}

static void arguments(void **state)
{
	(void)state;
	AUTODOC *spec = parse(small), *job = parse("{entryClass: a.Main, args: [--x, '1'], allowNonRestoredState: true}");
	struct node *root = doc_root(spec);
	struct node *options = node_ensure_map(spec, root, "flinkConfiguration");
	node_set_text(spec, root, "mode", "standalone");
	assert_args(spec, NULL, "standalone-job");
	assert_args(spec, "s3://s", "standalone-job --fromSavepoint s3://s");
	for (size_t i = 0; i < node_count(doc_root(job)); i++)
		node_set(spec, node_get(root, "job"), node_key_at(doc_root(job), i), node_copy(spec, node_value_at(doc_root(job), i)));
	node_set_text(spec, options, "high-availability.type", "kubernetes");
	assert_args(spec, "s3://s",
		    "standalone-job --job-classname a.Main --allowNonRestoredState --fromSavepoint s3://s "
		    "--host $(_POD_IP_ADDRESS) --x 1");
	node_set_text(spec, root, "flinkVersion", "v2_3");
	assert_args(spec, "p",
		    "standalone-job --job-classname a.Main --allowNonRestoredState --fromSavepoint p "
		    "-Djobmanager.rpc.address=$(_POD_IP_ADDRESS) --x 1");
	(void)node_remove(root, "job");
	assert_args(spec, NULL, "jobmanager -Djobmanager.rpc.address=$(_POD_IP_ADDRESS)");
	node_set_text(spec, root, "flinkVersion", "v1_20");
	assert_args(spec, NULL, "jobmanager $(_POD_IP_ADDRESS)");
	(void)node_remove(options, "high-availability.type");
	assert_args(spec, NULL, "jobmanager");
	node_set_text(spec, root, "mode", "native");
	assert_args(spec, NULL, "bash -c kubernetes-jobmanager.sh kubernetes-session ");
}

static const struct node *object_of(const struct node *list, const char *kind, const char *name)
{
	for (size_t i = 0; i < node_count(list); i++)
		if (str_eq(node_find_text(node_at(list, i), "kind"), kind) &&
		    str_eq(node_find_text(node_at(list, i), "metadata/name"), name))
			return node_at(list, i);
	return NULL;
}

static void taskmanagers(void **state)
{
	(void)state;
	AUTODOC *spec = parse(small), *doc = doc_new();
	AUTODOC *extra =
		parse("{podTemplate: {spec: {containers: [{name: flink-main-container, env: [{name: A, value: b}]}, {name: side}]}},"
		      " taskManager: {replicas: 3, resource: {memory: 2048m, cpu: 2}},"
		      " flinkConfiguration: {high-availability: kubernetes, kubernetes.taskmanager.node-selector: 'zone:b',"
		      " kubernetes.taskmanager.service-account: worker, containerized.taskmanager.env.TZ: UTC,"
		      " kubernetes.taskmanager.annotations: 'x:y', kubernetes.taskmanager.labels: 'team:data'}}");
	struct node *root = doc_root(spec);
	for (size_t i = 0; i < node_count(doc_root(extra)); i++)
		node_set(spec, root, node_key_at(doc_root(extra), i), node_copy(spec, node_value_at(doc_root(extra), i)));
	(void)node_remove(root, "job");
	node_set_text(spec, root, "mode", "standalone");
	struct flink_launch launch = launch_of(spec);
	launch.number = 4;
	struct node *list = NULL;
	struct error err = ERROR_INIT;
	assert_true(flink_objects_dependents(&launch, "d-1", doc, &list, &err));
	assert_non_null(object_of(list, "Service", "orders")); /* TaskManagers look for it even with HA */
	assert_null(object_of(list, "ConfigMap", "pod-template-orders"));
	const struct node *tm = object_of(list, "Deployment", "orders-taskmanager"), *pod = node_find(tm, "spec/template/spec");
	assert_int_equal(node_integer(node_find(tm, "spec/replicas"), 0), 3);
	assert_string_equal(node_find_text(tm, "metadata/labels/component"), "taskmanager");
	assert_string_equal(node_find_text(tm, "spec/template/metadata/labels/team"), "data");
	assert_null(node_find(tm, "spec/selector/matchLabels/team"));
	const struct node *annotations = node_find(tm, "metadata/annotations");
	assert_string_equal(node_text(node_get(annotations, FLINK_LAUNCH_ANNOTATION)), "4");
	assert_string_equal(node_text(node_get(annotations, "x")), "y");
	assert_null(node_get(annotations, FLINK_GENERATION_ANNOTATION));
	assert_string_equal(node_find_text(pod, "serviceAccountName"), "worker");
	assert_string_equal(node_find_text(pod, "nodeSelector/zone"), "b");
	const struct node *main = main_container(tm);
	assert_non_null(named(node_get(pod, "containers"), "side"));
	assert_string_equal(node_find_text(main, "args/0"), "taskmanager");
	assert_string_equal(node_text(node_get(named(node_get(main, "env"), "TZ"), "value")), "UTC");
	assert_non_null(named(node_get(main, "env"), "A"));
	assert_null(named(node_get(main, "env"), "_POD_IP_ADDRESS"));
	assert_string_equal(node_find_text(main, "resources/requests/cpu"), "2");
	assert_null(node_get(main, "startupProbe"));
}

/* An empty volume over the image's own folder of jars would hide the job. */
static void user_lib(void **state)
{
	(void)state;
	static const struct {
		const char *jar;
		bool mounted;
	} rows[] = { { "local:///opt/flink/usrlib/a.jar", false },
		     { "local:/opt/flink/usrlib/a.jar", false },
		     { "local:///opt/jobs/a.jar", true },
		     { "https://h/opt/flink/usrlib/a.jar", true } };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTODOC *spec = parse(small), *doc = doc_new();
		node_set_text(spec, doc_root(spec), "mode", "standalone");
		node_set_text(spec, node_get(doc_root(spec), "job"), "jarURI", rows[i].jar);
		struct node *d = jobmanager(doc, spec);
		bool mounted = named(node_find(d, "spec/template/spec/volumes"), "user-lib-dir") != NULL;
		assert_int_equal(mounted, rows[i].mounted);
	}
}

static void standbys(void **state)
{
	(void)state;
	static const char *const modes[] = { "native", "standalone" };
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		AUTODOC *spec = parse(small), *doc = doc_new();
		node_set_text(spec, doc_root(spec), "mode", modes[i]);
		node_set_int(spec, node_get(doc_root(spec), "jobManager"), "replicas", 2);
		node_set_text(spec, node_ensure_map(spec, doc_root(spec), "flinkConfiguration"), "high-availability.type", "kubernetes");
		struct node *d = jobmanager(doc, spec);
		assert_int_equal(node_integer(node_find(d, "spec/replicas"), 0), 2);
		struct flink_launch launch = launch_of(spec);
		struct node *list = NULL;
		struct error err = ERROR_INIT;
		assert_true(flink_objects_dependents(&launch, NULL, doc, &list, &err));
		assert_int_equal(object_of(list, "Service", "orders") != NULL, i == 1);
		const struct node *map = object_of(list, "ConfigMap", "flink-config-orders");
		const char *text = node_text(node_get(node_get(map, "data"), "flink-conf.yaml"));
		assert_non_null(strstr(text, "high-availability.cluster-id: orders\n"));
		assert_non_null(strstr(text, "high-availability.jobmanager.port: 6123\n"));
		assert_int_equal(strstr(text, "jobmanager.rpc.address: orders.shop\n") != NULL, i == 1);
	}
}

static void options_of_the_pod(void **state)
{
	(void)state;
	AUTODOC *spec = parse(small), *doc = doc_new();
	AUTODOC *options = parse("kubernetes.jobmanager.labels: 'team:data,app:stolen'\n"
				 "kubernetes.jobmanager.tolerations: 'key:k1,operator:Equal,value:v1,"
				 "effect:NoExecute,tolerationSeconds:60;key:k2,operator:Exists'\n"
				 "kubernetes.jobmanager.node-selector: 'zone:a'\n"
				 "kubernetes.container.image.pull-secrets: 'one;two'\n"
				 "kubernetes.jobmanager.service-account: other\n"
				 "kubernetes.jobmanager.memory.limit-factor: '1.5'\n"
				 "kubernetes.jobmanager.cpu.limit-factor: '2'\n"
				 "kubernetes.jobmanager.entrypoint.args: '-Dx=y'\n"
				 "kubernetes.secrets: 'creds:/etc/creds'\n"
				 "kubernetes.env.secretKeyRef: 'env:PASS,secret:creds,key:password'\n"
				 "containerized.master.env.TZ: UTC\n"
				 "kubernetes.hadoop.conf.config-map.name: hadoop\n"
				 "kubernetes.flink.log.dir: /logs\n"
				 "rest.port: '9081'\n"
				 "kubernetes.operator.jm-deployment.startup.probe.enabled: 'false'\n");
	node_set(spec, doc_root(spec), "flinkConfiguration", node_copy(spec, doc_root(options)));
	struct node *d = jobmanager(doc, spec);
	const struct node *pod = node_find(d, "spec/template/spec"), *main = main_container(d);
	assert_string_equal(node_find_text(d, "metadata/labels/app"), "orders");
	assert_string_equal(node_find_text(d, "metadata/labels/team"), "data");
	assert_null(node_find(d, "spec/selector/matchLabels/team"));
	assert_string_equal(node_find_text(pod, "serviceAccountName"), "other");
	assert_string_equal(node_find_text(pod, "nodeSelector/zone"), "a");
	assert_string_equal(node_find_text(pod, "imagePullSecrets/1/name"), "two");
	AUTODOC *tolerations = parse("[{key: k1, operator: Equal, value: v1, effect: NoExecute, tolerationSeconds: 60},"
				     " {key: k2, operator: Exists}]");
	assert_same(node_get(pod, "tolerations"), doc_root(tolerations));
	AUTODOC *resources = parse("{requests: {cpu: '1', memory: 1536Mi}, limits: {cpu: '2', memory: 2304Mi}}");
	assert_same(node_get(main, "resources"), doc_root(resources));
	assert_string_equal(node_find_text(main, "args/2"), "kubernetes-jobmanager.sh kubernetes-application -Dx=y");
	assert_null(node_get(main, "startupProbe"));
	assert_int_equal(node_integer(node_find(main, "ports/0/containerPort"), 0), 9081);
	const struct node *env = node_get(main, "env");
	assert_string_equal(node_text(node_get(named(env, "TZ"), "value")), "UTC");
	assert_string_equal(node_text(node_get(named(env, "FLINK_LOG_DIR"), "value")), "/logs");
	assert_string_equal(node_find_text(named(env, "PASS"), "valueFrom/secretKeyRef/key"), "password");
	assert_string_equal(node_text(node_get(named(node_get(main, "volumeMounts"), "creds-volume"), "mountPath")), "/etc/creds");
	assert_string_equal(node_find_text(named(node_get(pod, "volumes"), "hadoop-config-volume"), "configMap/name"), "hadoop");
}

static void host_network(void **state)
{
	(void)state;
	AUTODOC *spec = parse(small), *doc = doc_new();
	node_set_text(spec, node_ensure_map(spec, doc_root(spec), "flinkConfiguration"), "kubernetes.hostnetwork.enabled", "true");
	struct node *d = jobmanager(doc, spec);
	assert_string_equal(node_find_text(d, "spec/template/spec/dnsPolicy"), "ClusterFirstWithHostNet");
	assert_null(node_get(main_container(d), "ports"));
	assert_int_equal(node_integer(node_find(main_container(d), "startupProbe/httpGet/port"), 0), 8081);
}

static void config_yaml_for_flink_2(void **state)
{
	(void)state;
	AUTODOC *spec = parse(small), *doc = doc_new();
	node_set_text(spec, doc_root(spec), "flinkVersion", "v2_0");
	struct flink_launch launch = launch_of(spec);
	struct node *list = NULL;
	struct error err = ERROR_INIT;
	assert_true(flink_objects_dependents(&launch, NULL, doc, &list, &err));
	const struct node *map = node_at(list, 2);
	assert_null(node_find(map, "metadata/ownerReferences"));
	const char *text = node_text(node_get(node_get(map, "data"), "config.yaml"));
	AUTODOC *config = parse(text);
	assert_string_equal(node_find_text(doc_root(config), "kubernetes/cluster-id"), "orders");
	assert_string_equal(node_find_text(doc_root(config), "parallelism/default"), "2");
	struct node *d = jobmanager(doc, spec);
	const struct node *volume = named(node_find(d, "spec/template/spec/volumes"), "flink-config-volume");
	assert_string_equal(node_find_text(volume, "configMap/items/2/key"), "config.yaml");
}

static void merging_templates(void **state)
{
	(void)state;
	AUTODOC *base = parse("{a: 1, keep: x, l: [{name: one, v: 1, w: 1}, {name: two, v: 2}], gone: y}");
	AUTODOC *over = parse("{a: 2, l: [{name: two, v: 3}, {name: new}], gone: null}");
	AUTODOC *by_position = parse("{a: 2, keep: x, l: [{name: two, v: 3, w: 1}, {name: new, v: 2}], gone: null}");
	AUTODOC *by_name = parse("{a: 2, keep: x, l: [{name: one, v: 1, w: 1}, {name: two, v: 3}, {name: new}], gone: null}");
	AUTODOC *doc = doc_new();
	assert_same(pod_template_merge(doc, doc_root(base), doc_root(over), false), doc_root(by_position));
	assert_same(pod_template_merge(doc, doc_root(base), doc_root(over), true), doc_root(by_name));
	assert_same(pod_template_merge(doc, doc_root(base), NULL, false), doc_root(base));
	assert_same(pod_template_merge(doc, NULL, doc_root(over), false), doc_root(over));
}

static void template_text(void **state)
{
	(void)state;
	AUTODOC *pod = parse("{spec: {volumes: [{name: v, emptyDir: {}}], containers: [{name: c, ports: [{containerPort: 80}], args: [], "
			     "tty: true}], nodeSelector: {}}, metadata: {labels: {y: 'a\"b', a/b.c: '1'}}}");
	AUTOBUF text = BUF_INIT;
	pod_template_write(doc_root(pod), &text);
	assert_string_equal(buf_text(&text),
			    "---\nmetadata:\n  labels:\n    a/b.c: \"1\"\n    \"y\": \"a\\\"b\"\n"
			    "spec:\n  containers:\n  - name: \"c\"\n"
			    "    ports:\n    - containerPort: 80\n    tty: true\n  volumes:\n  - emptyDir: {}\n    name: \"v\"\n");
	AUTODOC *again = parse(buf_text(&text));
	assert_string_equal(node_find_text(doc_root(again), "metadata/labels/y"), "a\"b");
}

static void ingress_with_host(void **state)
{
	(void)state;
	AUTODOC *spec = parse(small), *doc = doc_new();
	AUTODOC *asked =
		parse("{template: 'https://{{NAME}}.{{namespace}}.example.com/ui', tls: [{hosts: [h]}], labels: {x: y, component: z}}");
	node_set(spec, doc_root(spec), "ingress", node_copy(spec, doc_root(asked)));
	struct flink_launch launch = launch_of(spec);
	struct node *list = NULL;
	struct error err = ERROR_INIT;
	assert_true(flink_objects_dependents(&launch, "d-1", doc, &list, &err));
	const struct node *ingress = node_at(list, node_count(list) - 1);
	assert_string_equal(node_find_text(ingress, "kind"), "Ingress");
	assert_string_equal(node_find_text(ingress, "spec/rules/0/host"), "orders.shop.example.com");
	assert_string_equal(node_find_text(ingress, "spec/rules/0/http/paths/0/path"), "/ui");
	assert_string_equal(node_find_text(ingress, "metadata/labels/component"), "ingress");
	assert_string_equal(node_find_text(ingress, "spec/tls/0/hosts/0"), "h");
}

static void refusals(void **state)
{
	(void)state;
	static const struct {
		const char *options, *named;
		enum error_kind kind;
	} rows[] = { { "{security.kerberos.login.keytab: /k}", "security.kerberos.login.keytab", ERROR_UNSUPPORTED },
		     { "{kubernetes.jobmanager.cpu.limit-factor: '0.5'}", "spec.jobManager", ERROR_INVALID } };
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		AUTODOC *spec = parse(small), *doc = doc_new(), *options = parse(rows[i].options);
		node_set(spec, doc_root(spec), "flinkConfiguration", node_copy(spec, doc_root(options)));
		struct flink_launch launch = launch_of(spec);
		struct node *d = NULL;
		struct error err = ERROR_INIT;
		assert_false(flink_objects_jobmanager(&launch, doc, &d, &err));
		assert_int_equal(err.kind, rows[i].kind);
		assert_non_null(strstr(err.message, rows[i].named));
	}
	AUTODOC *spec = parse(small), *doc = doc_new();
	struct node *d = NULL;
	struct error err = ERROR_INIT;
	struct flink_launch launch = launch_of(spec);
	node_set_int(spec, node_get(doc_root(spec), "jobManager"), "replicas", 2);
	assert_false(flink_objects_jobmanager(&launch, doc, &d, &err));
	assert_int_equal(err.kind, ERROR_INVALID);
	(void)node_remove(node_get(doc_root(spec), "jobManager"), "replicas");
	launch.name = "a-name-that-is-just-one-character-too-long-abc";
	assert_false(flink_objects_jobmanager(&launch, doc, &d, &err));
	assert_int_equal(err.kind, ERROR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_minimal),
		cmocka_unit_test(recorded_full),
		cmocka_unit_test(options_of_the_pod),
		cmocka_unit_test(host_network),
		cmocka_unit_test(merging_templates),
		cmocka_unit_test(template_text),
		cmocka_unit_test(recorded_standalone),
		cmocka_unit_test(arguments),
		cmocka_unit_test(taskmanagers),
		cmocka_unit_test(user_lib),
		cmocka_unit_test(standbys),
		cmocka_unit_test(config_yaml_for_flink_2),
		cmocka_unit_test(ingress_with_host),
		cmocka_unit_test(refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
