/* What counts as content, and the peer's text of a spec. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "lifecycle/digest.h"

static void digest_of(const char *json, char out[65])
{
	struct error err;
	AUTODOC *doc = doc_parse_json(json, strlen(json), "spec", NULL, &err);
	assert_non_null(doc);
	spec_digest(doc_root(doc), NULL, out);
}

static void ignored_changes_keep_the_digest(void **state)
{
	(void)state;
	static const char base[] = "{\"image\":\"a\",\"flinkConfiguration\":{\"x.y\":\"1\"},\"job\":{\"parallelism\":2}}";
	static const char *const same[] = {
		"{\"flinkConfiguration\":{\"x\":{\"y\":1}},\"job\":{\"parallelism\":2},\"image\":\"a\"}",
		"{\"image\":\"a\",\"mode\":\"native\",\"flinkConfiguration\":{\"x.y\":\"1\",\"kubernetes.operator.a\":\"b\"},\"job\":{"
		"\"parallelism\":2,\"state\":\"suspended\"}}",
		"{\"image\":\"a\",\"ingress\":null,\"flinkConfiguration\":{\"x.y\":\"1\"},\"job\":{\"parallelism\":2,\"upgradeMode\":"
		"\"savepoint\",\"savepointTriggerNonce\":4}}",
	};
	static const char *const other[] = {
		"{\"image\":\"b\",\"flinkConfiguration\":{\"x.y\":\"1\"},\"job\":{\"parallelism\":2}}",
		"{\"image\":\"a\",\"flinkConfiguration\":{\"x.y\":\"2\"},\"job\":{\"parallelism\":2}}",
		"{\"image\":\"a\",\"flinkConfiguration\":{\"x.y\":\"1\"},\"job\":{\"parallelism\":3}}",
		"{\"image\":\"a\",\"restartNonce\":1,\"flinkConfiguration\":{\"x.y\":\"1\"},\"job\":{\"parallelism\":2}}",
	};
	char want[65];
	char got[65];
	digest_of(base, want);
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		digest_of(same[i], got);
		assert_string_equal(got, want);
	}
	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		digest_of(other[i], got);
		assert_string_not_equal(got, want);
	}
}

static void what_it_refers_to_counts(void **state)
{
	(void)state;
	AUTODOC *doc = doc_parse_json("{\"image\":\"a\"}", 13, "spec", NULL, NULL);
	char none[65];
	char empty[65];
	char one[65];
	char two[65];
	spec_digest(doc_root(doc), NULL, none);
	spec_digest(doc_root(doc), "", empty);
	spec_digest(doc_root(doc), "ConfigMap/a=1", one);
	spec_digest(doc_root(doc), "ConfigMap/a=2", two);
	assert_string_equal(none, empty);
	assert_string_not_equal(none, one);
	assert_string_not_equal(one, two);
}

/* The text that the Apache operator 1.15 wrote for this spec, on a real cluster. */
static void last_reconciled_spec_is_the_peers(void **state)
{
	(void)state;
	static const char spec[] =
		"{\"flinkConfiguration\":{\"taskmanager.numberOfTaskSlots\":\"2\"},\"flinkVersion\":\"v1_20\",\"image\":\"flink:1.20\","
		"\"job\":{\"jarURI\":\"local:///opt/flink/examples/streaming/"
		"StateMachineExample.jar\",\"parallelism\":2,\"upgradeMode\":\"stateless\"},"
		"\"jobManager\":{\"resource\":{\"cpu\":1,\"memory\":\"2048m\"}},\"serviceAccount\":\"flink\",\"taskManager\":{\"resource\":"
		"{\"cpu\":1,\"memory\":\"2048m\"}}}";
	static const char want[] =
		"{\"spec\":{\"job\":{\"jarURI\":\"local:///opt/flink/examples/streaming/"
		"StateMachineExample.jar\",\"parallelism\":2,\"entryClass\":null,\"args\":[],"
		"\"state\":\"running\",\"savepointTriggerNonce\":null,\"initialSavepointPath\":null,\"checkpointTriggerNonce\":null,"
		"\"upgradeMode\":\"stateless\","
		"\"allowNonRestoredState\":null,\"savepointRedeployNonce\":null,\"autoscalerResetNonce\":null},\"restartNonce\":null,"
		"\"flinkConfiguration\":{\"taskmanager.numberOfTaskSlots\":\"2\"},\"image\":\"flink:1.20\",\"imagePullPolicy\":null,"
		"\"serviceAccount\":\"flink\","
		"\"flinkVersion\":\"v1_20\",\"ingress\":null,\"podTemplate\":null,\"jobManager\":{\"resource\":{\"cpu\":1.0,\"memory\":"
		"\"2048m\",\"ephemeralStorage\":null},"
		"\"replicas\":1,\"podTemplate\":null},\"taskManager\":{\"resource\":{\"cpu\":1.0,\"memory\":\"2048m\",\"ephemeralStorage\":"
		"null},\"replicas\":null,"
		"\"podTemplate\":null},\"logConfiguration\":null,\"mode\":null},\"resource_metadata\":{\"apiVersion\":\"flink.apache.org/"
		"v1beta1\",\"firstDeployment\":true}}";
	struct error err;
	AUTODOC *doc = doc_parse_json(spec, strlen(spec), "spec", NULL, &err);
	assert_non_null(doc);
	AUTOBUF text = BUF_INIT;
	spec_last_reconciled(doc_root(doc), "running", "stateless", true, &text);
	assert_string_equal(buf_text(&text), want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ignored_changes_keep_the_digest),
		cmocka_unit_test(what_it_refers_to_counts),
		cmocka_unit_test(last_reconciled_spec_is_the_peers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
