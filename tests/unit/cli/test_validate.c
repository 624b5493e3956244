/* weir validate, as it is called: what it prints and how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/doc.h"
#include "base/mem.h"
#include "cli/cli.h"

/* Runs the command in the folder of fixtures with standard output going into *out. */
static int run(struct buf *out, const char *path, bool json)
{
	char file[] = "/tmp/weir-validate-XXXXXX";
	CLEANUP(close_fd) int fd = mkstemp(file);
	assert_true(fd >= 0);
	(void)unlink(file);
	(void)fflush(stdout);
	CLEANUP(close_fd) int kept = dup(STDOUT_FILENO);
	assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	char command[] = "validate", option[] = "-o", form[] = "json", *copy = mem_strdup(path);
	char *argv[] = { command, copy, json ? option : NULL, form, NULL };
	int code = command_validate(json ? 4 : 2, argv);
	(void)fflush(stdout);
	assert_int_equal(dup2(kept, STDOUT_FILENO), STDOUT_FILENO);
	free(copy);
	char chunk[4096];
	ssize_t got;
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	while ((got = read(fd, chunk, sizeof(chunk))) > 0)
		buf_append(out, chunk, (size_t)got);
	return code;
}

static void assert_has(const struct buf *out, const char *line)
{
	if (strstr(buf_text(out), line) == NULL)
		fail_msg("no \"%s\" in:\n%s", line, buf_text(out));
}

/* Each problem at the place of the value that counts, whichever file that is in. */
static void an_overlay(void **state)
{
	(void)state;
	AUTOBUF out = BUF_INIT;
	assert_int_equal(run(&out, "validate/overlay", false), 1);
	assert_has(&out,
		   "validate/overlay/../base/orders.yaml:12: FlinkDeployment orders: spec.jobManager.resource.cpu: expected an amount");
	assert_has(&out, "validate/overlay/more.yaml:8: FlinkDeployment orders: spec.job.state: expected one of running, suspended");
	assert_has(&out, "validate/overlay/../base/session.yaml:6: warning: FlinkDeployment session: spec.flinkVersion: v2_9 is newer");
	/* by the configuration of its cluster */
	assert_has(&out, "FlinkSessionJob report: spec.flinkConfiguration.execution.checkpointing.savepoint-dir: ");
	assert_has(&out, "session.yaml:28: warning: FlinkSessionJob lost: spec.deploymentName: there is no FlinkDeployment");
	assert_has(&out, "\n4 Flink objects: 4 errors, 2 warnings\n");
}

static void as_json(void **state)
{
	(void)state;
	AUTOBUF out = BUF_INIT;
	assert_int_equal(run(&out, "validate/overlay/", true), 1);
	struct error err = ERROR_INIT;
	AUTODOC *doc = doc_parse_json(buf_text(&out), out.len, "output", NULL, &err);
	if (doc == NULL)
		fail_msg("%s:\n%s", err.message, buf_text(&out));
	const struct node *root = doc_root(doc), *problems = node_get(root, "problems");
	assert_false(node_truth(node_get(root, "valid"), true));
	assert_int_equal(node_integer(node_get(root, "objects"), 0), 4);
	assert_int_equal(node_count(problems), 6);
	const struct node *first = node_at(problems, 0);
	assert_string_equal(node_find_text(first, "file"), "validate/overlay/more.yaml");
	assert_int_equal(node_integer(node_get(first, "line"), 0), 8);
	assert_string_equal(node_find_text(first, "field"), "spec.job.state");
	assert_string_equal(node_find_text(first, "severity"), "error");
}

static void a_file(void **state)
{
	(void)state;
	AUTOBUF out = BUF_INIT;
	assert_int_equal(run(&out, "validate/base/orders.yaml", false), 1);
	assert_has(&out, "validate/base/orders.yaml:12: FlinkDeployment orders: spec.jobManager.resource.cpu: ");
	assert_has(&out, "\n1 Flink object: 1 error, 0 warnings\n");
	buf_clear(&out);
	assert_int_equal(run(&out, "validate/overlay/kustomization.yaml", false), 1); /* no object of Kubernetes' */
	buf_clear(&out);
	assert_int_equal(run(&out, "validate/nothing", true), 1);
	AUTODOC *doc = doc_parse_json(buf_text(&out), out.len, "output", NULL, NULL);
	assert_non_null(strstr(node_text_or(node_get(doc_root(doc), "failure"), ""), "validate/nothing"));
	assert_false(node_truth(node_get(doc_root(doc), "valid"), true));
}

static int enter(void **state)
{
	(void)state;
	return chdir(FIXTURES);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(an_overlay), cmocka_unit_test(as_json), cmocka_unit_test(a_file) };
	return cmocka_run_group_tests(tests, enter, NULL);
}
