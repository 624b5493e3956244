/* What a spec refers to, and the text that stands for it. */
#include "support.h"

#include "sync/references.h"

static struct doc *yaml(const char *text)
{
	struct error err = ERROR_INIT;
	struct doc *doc = doc_parse_yaml_one(text, strlen(text), "spec", &err);
	if (doc == NULL)
		fail_msg("%s", err.message);
	return doc;
}

static void all_kinds_of_references_are_found(void **state)
{
	(void)state;
	static const char spec[] = "podTemplate:\n  spec:\n    imagePullSecrets: [{name: pull}]\n    volumes:\n    - configMap: {name: b}\n"
				   "    - secret: {secretName: s, items: [{key: x, path: x}, {key: w, path: w}]}\n"
				   "    - projected: {sources: [{configMap: {name: p}}, {secret: {name: q}}]}\n"
				   "jobManager:\n  podTemplate:\n    spec:\n      containers:\n"
				   "      - {name: m, envFrom: [{configMapRef: {name: a}}, {secretRef: {name: e}}]}\n"
				   "taskManager:\n  podTemplate:\n    spec:\n      initContainers:\n      - name: i\n        env:\n"
				   "        - {name: V, valueFrom: {configMapKeyRef: {name: a, key: k}}}\n"
				   "        - {name: V, valueFrom: {secretKeyRef: {name: t, key: k, optional: true}}}\n"
				   "    extra: {configMap: {name: flink-config-job}, x: {configMap: {name: job-0af-config-map}}}\n"
				   "ingress: {tls: [{secretName: cert}]}\n"
				   "flinkConfiguration:\n  kubernetes.secrets: 'm:/mnt/m'\n  kubernetes.env.secretKeyRef: "
				   "'env:A,secret:n,key:k;env:B,secret:n,key:l'\n"
				   "  kubernetes.hadoop.conf.config-map.name: hadoop\n";
	static const char *const want[] = { "ConfigMap/a", "ConfigMap/b", "ConfigMap/hadoop", "ConfigMap/p", "Secret/e",   "Secret/m",
					    "Secret/n/k",  "Secret/n/l",  "Secret/q",	      "Secret/s/w",  "Secret/s/x", "Secret/t/k" };
	AUTODOC *doc = yaml(spec);
	AUTOREFERENCES refs = { 0 };
	references_of("job", doc_root(doc), &refs);
	AUTOBUF got = BUF_INIT;
	for (size_t i = 0; i < refs.count; i++)
		buf_printf(&got, "%s/%s%s%s\n", refs.items[i].secret ? "Secret" : "ConfigMap", refs.items[i].name,
			   refs.items[i].key == NULL ? "" : "/", refs.items[i].key == NULL ? "" : refs.items[i].key);
	AUTOBUF wanted = BUF_INIT;
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		buf_printf(&wanted, "%s\n", want[i]);
	assert_string_equal(buf_text(&got), buf_text(&wanted));
	AUTOREFERENCES none = { 0 };
	references_of("job", NULL, &none);
	assert_int_equal(none.count, 0);
}

static void text_of(const char *object, const char *key, char out[200])
{
	char name[] = "a";
	AUTOFREE char *copy = mem_strdup(key);
	const struct reference r = { .name = name, .key = copy };
	AUTODOC *doc = object == NULL ? NULL : yaml(object);
	AUTOBUF text = BUF_INIT;
	reference_put(&text, &r, doc_root(doc));
	(void)snprintf(out, 200, "%s", buf_text(&text));
}

static void the_text_changes_with_the_content_alone(void **state)
{
	(void)state;
	char one[200];
	char two[200];
	text_of("metadata: {resourceVersion: '1', labels: {a: b}}\ndata: {x: '1', y: '2'}\n", NULL, one);
	text_of("metadata: {resourceVersion: '2'}\ndata: {y: '2', x: '1'}\nbinaryData: {}\n", NULL, two);
	assert_string_equal(one, two);
	text_of("data: {x: '1', y: '3'}\n", NULL, two);
	assert_string_not_equal(one, two);
	text_of("data: {x: '1', y: '3'}\n", "x", one);
	text_of("data: {x: '1', y: '4'}\n", "x", two);
	assert_string_equal(one, two);
	text_of("binaryData: {x: '1'}\n", "x", two);
	assert_string_not_equal(one, two);
	text_of(NULL, NULL, one);
	assert_string_equal(one, "ConfigMap/a=absent");
	text_of("data: {y: '4'}\n", "x", one);
	assert_string_equal(one, "ConfigMap/a/x=absent");
	text_of("data: {}\n", NULL, one);
	assert_string_not_equal(one, "ConfigMap/a=absent");
}

static void changes_are_named_without_hashes(void **state)
{
	(void)state;
	AUTOBUF out = BUF_INIT;
	references_changed("ConfigMap/a=1,Secret/b/k=2", "ConfigMap/a=1,ConfigMap/c=5,Secret/b/k=3", &out);
	assert_string_equal(buf_text(&out), "ConfigMap/c, Secret/b/k");
	buf_clear(&out);
	references_changed("ConfigMap/a=1", NULL, &out);
	references_changed("ConfigMap/a=1", "ConfigMap/a=1", &out);
	assert_int_equal(out.len, 0);
	references_changed(NULL, "ConfigMap/a=1", &out);
	assert_string_equal(buf_text(&out), "ConfigMap/a");
	assert_true(references_say("ConfigMap/a=1,ConfigMap/b=2", "ConfigMap/b=2"));
	assert_false(references_say("ConfigMap/a=1,ConfigMap/b=22", "ConfigMap/b=2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_kinds_of_references_are_found),
		cmocka_unit_test(the_text_changes_with_the_content_alone),
		cmocka_unit_test(changes_are_named_without_hashes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
